"""Every HTTP error is application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from project.api.paths import API
from project.check import Check
from project.errors import GlassqueueError, UnknownJob
from project.schedules.errors import InvalidSchedule
from project.task_options.body_limits import MOST_ERRORS

INVALID_REQUEST = "The request is invalid."
TOO_LARGE = "The body is larger than this address accepts."
LONGEST_FIELD, LONGEST_MESSAGE = 100, 300
NOTHING_HERE = f"There is nothing at this address; GET {API}/tasks lists the tasks."


class InvalidField(BaseModel):
    """One invalid field of a request."""

    field: str = Field(examples=["body.number"])
    message: str = Field(examples=["Input should be a valid integer"])


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    type: str = Field(
        default="about:blank",
        description="Always about:blank: the status says it all (RFC 9457, 4.2.1)",
    )
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=[UnknownJob.title()])
    errors: list[InvalidField] | None = Field(
        default=None, description=f"The invalid fields (422 only), the first {MOST_ERRORS} of them"
    )
    checks: list[Check] | None = Field(default=None, description="The result of each check (deep readiness only)")


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return an application/problem+json response; *more* are further fields of Problem."""
    body = Problem(title=_title(status), status=status, detail=detail, **more)
    return JSONResponse(
        body.model_dump(exclude_none=True), status, headers=headers, media_type="application/problem+json"
    )


def _title(status: int) -> str:
    """Return the name of a status in RFC 9110; before Python 3.13, HTTPStatus has older names for two of them."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


def add_error_handlers(app: FastAPI) -> None:
    """Respond to every error in the app with a problem."""
    app.add_exception_handler(GlassqueueError, own_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(InvalidSchedule, _invalid_schedule)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, internal_error)


def own_error(_: Any, error: Any) -> JSONResponse:
    """Return the response to one of this project's errors."""
    return problem(error.status, str(error), headers=error.headers, checks=getattr(error, "checks", None))


def _http_error(request: Request, error: Any) -> JSONResponse:
    detail = {404: NOTHING_HERE, 413: TOO_LARGE}.get(error.status_code, str(error.detail))
    headers = _allowed(request, error) if error.status_code == 405 else error.headers
    return problem(error.status_code, detail, headers=headers)


def _allowed(request: Request, error: Any) -> dict[str, str]:
    """Return the methods that a path allows; Starlette names only those of the first route with that path."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(path)
    allowed = {method.upper() for method in methods or error.headers["Allow"].split(", ")}
    # project/api/head.py answers HEAD wherever GET is allowed
    return {"Allow": ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))}


def _invalid_request(_: Request, error: Any) -> JSONResponse:
    # never echo the input: it may be NaN, which is not JSON, or a secret
    errors = error.errors()[:MOST_ERRORS]
    return problem(422, INVALID_REQUEST, errors=[_invalid_field(each) for each in errors])


def _invalid_field(error: Mapping[str, Any]) -> InvalidField:
    """Describe one error; parts of its location may be keys of any length that the client chose."""
    return InvalidField(field=".".join(map(str, error["loc"]))[:LONGEST_FIELD], message=error["msg"][:LONGEST_MESSAGE])


def _invalid_schedule(_: Request, error: Any) -> JSONResponse:
    return problem(422, INVALID_REQUEST, errors=[InvalidField(field=f"body.{error.field}", message=error.message)])


def internal_error(_: Any, __: Any) -> JSONResponse:
    """Return the response to an error that is a bug."""
    return problem(
        500, "Internal server error; see the server log.", headers={"Cache-Control": "no-store"}
    )  # GuardMiddleware does not see this response


def document_problems(app: FastAPI) -> None:
    """Add the Problem schema, which no route returns as its own model, to the app's OpenAPI document."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        """Return the document with the Problem schema and without FastAPI's own error schemas."""
        document = build()
        _, schemas = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
        document["components"]["schemas"].update(schemas["$defs"])
        _remove_fastapis_own_error(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it: how-to/extending-openapi


def _remove_fastapis_own_error(document: dict[str, Any]) -> None:
    """Remove the 422 that FastAPI documents for every path parameter, and that no client gets here."""
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
