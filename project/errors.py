"""One family of errors, one handler, one shape: application/problem+json (RFC 9457).

The first line of a class's docstring is the title that a client reads.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

NOTHING_HERE = "Nothing is here; GET /producer/api/tasks lists the tasks."


class GlassqueueError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title())
        self.detail = detail

    @classmethod
    def title(cls) -> str:
        """Return the first line of the class's docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class UnknownJob(GlassqueueError):
    """No job has this id here: it was never submitted, has expired, or belongs to another task."""

    status = 404


class JobIdTaken(GlassqueueError):
    """A job with this id exists already; nothing was queued."""

    status = 409


class IdempotencyKeyReused(GlassqueueError):
    """The Idempotency-Key came with another body before; nothing was queued."""

    status = 409


class NotRequeueable(GlassqueueError):
    """Only a job that failed or was revoked can be requeued."""

    status = 409


class UnknownSchedule(GlassqueueError):
    """No schedule has this id: it was never made, was deleted, or ended some time ago."""

    status = 404


class BrokerUnavailable(GlassqueueError):
    """Redis does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class NotReady(GlassqueueError):
    """Something that jobs talk to does not answer."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "5"}


class DatabaseUnavailable(GlassqueueError):
    """The database does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class TooManyJobs(GlassqueueError):
    """The queue is full; try again when consumers have worked some of it off."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


class TooManyListeners(GlassqueueError):
    """As many clients as may are waiting for jobs; try again, or ask without waiting."""

    status = 429
    headers: Mapping[str, str] = {"Retry-After": "5"}


class UnsupportedContentType(GlassqueueError):
    """The body must be sent as Content-Type: application/json."""

    status = 415


class InvalidField(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(examples=["body.number"])
    message: str = Field(examples=["Input should be a valid integer"])


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it all (RFC 9457, 4.2.1)")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=[UnknownJob.title()])
    errors: list[InvalidField] | None = Field(default=None, description="What is wrong, field by field (422 only)")


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: list[InvalidField] | None = None
) -> JSONResponse:
    """Return an application/problem+json response."""
    body = Problem(title=_title(status), status=status, detail=detail, errors=errors)
    return JSONResponse(
        body.model_dump(exclude_none=True), status, headers=headers, media_type="application/problem+json"
    )


def _title(status: int) -> str:
    """Return the status's name in RFC 9110, where two differ from those in Python before 3.13."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error that can happen in the app with a problem."""
    app.add_exception_handler(GlassqueueError, _own_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


def _own_error(_: Request, error: Any) -> JSONResponse:
    return problem(error.status, str(error), headers=error.headers)


def _http_error(request: Request, error: Any) -> JSONResponse:
    detail = NOTHING_HERE if error.detail == "Not Found" else str(error.detail)
    headers = _allowed(request, error) if error.status_code == 405 else error.headers
    return problem(error.status_code, detail, headers=headers)


def _allowed(request: Request, error: Any) -> dict[str, str]:
    """Say what can be asked of an address; Starlette knows only the first of the routes that share it."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(path)
    return {"Allow": ", ".join(sorted(methods)).upper()} if methods else error.headers


def _invalid_request(_: Request, error: Any) -> JSONResponse:
    # never echo the input: it may be NaN, which is not JSON, or a secret
    fields = [InvalidField(field=".".join(map(str, e["loc"])), message=e["msg"]) for e in error.errors()]
    return problem(422, "The request does not fit what the task accepts.", errors=fields)


def _bug(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "The server made a mistake; its log says more.")


def document_problems(app: FastAPI) -> None:
    """Add the Problem schema, which no route returns as its own model, to the app's OpenAPI document."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        _, schemas = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
        document["components"]["schemas"].update(schemas["$defs"])
        _forget_fastapis_own_error(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it: how-to/extending-openapi


def _forget_fastapis_own_error(document: dict[str, Any]) -> None:
    """Remove the 422 that FastAPI documents for any path parameter and that no client ever gets here."""
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    for schema in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(schema, None)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the given error statuses for OpenAPI."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _title(status), "content": {"application/problem+json": schema}} for status in statuses
    }
