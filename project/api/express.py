"""Answer the most frequent requests at once: a plain submit, and a plain look-up of a job, also with ?wait=SECONDS.

FastAPI's layers take several times as long as submitting such a job to Redis. A request that is not plain (it has
another query, a header in WITH_MEANING, or an invalid body) goes to FastAPI unchanged. The endpoints in task_routes.py
define what every request means; tests/integration/api/test_express.py compares the answers of both paths.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from project.addresses import DOT_SEGMENTS
from project.api.guard import with_headers
from project.api.long_poll import DISCONNECTED, unless_disconnected
from project.api.metrics import count
from project.api.parameters import BODY_LIMIT, LONGEST_WAIT, as_uuid
from project.api.paths import API
from project.api.problems import internal_error, own_error
from project.api.request_guard import NO_FRAMES, check_request
from project.celery_config.task import JobTask
from project.errors import GlassqueueError
from project.job_models import Accepted, Job
from project.jobs.service import Jobs
from project.jobs.submit_options import SubmitOptions
from project.task_options.signature import arguments_model

Headers = dict[bytes, bytes]

LARGEST_BODY = 64 * 1024  # bytes; for a larger body, validation takes so long that a shortcut gains nothing
#: Headers that change what a request means, or how its body is read.
WITH_MEANING = {
    "POST": frozenset({b"idempotency-key", b"transfer-encoding"}),
    "GET": frozenset({b"prefer", b"content-length", b"transfer-encoding"}),
}
GUARD_HEADERS = [(b"content-security-policy", NO_FRAMES.encode()), (b"cache-control", b"no-store")]
ACCEPTED: TypeAdapter[Accepted] = TypeAdapter(Accepted)
JOB: TypeAdapter[Job[Any]] = TypeAdapter(Job[Any])


class Answer(NamedTuple):
    """The response to a request that has succeeded."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Endpoint:
    """Submits and looks up the jobs of one task."""

    def __init__(self, task: JobTask, jobs: Jobs) -> None:
        self.path, self._task, self._jobs = f"{API}/{task.route}", task, jobs
        self._model: Any = arguments_model(task)
        self._largest = min(task.body_limit or BODY_LIMIT, LARGEST_BODY)

    def accepts(self, headers: Headers) -> bool:
        """Tell whether a submit announces a JSON body of moderate size."""
        length = headers.get(b"content-length", b"")
        moderate = length.isdigit() and len(length) < 10 and 0 < int(length) <= self._largest
        return moderate and headers.get(b"content-type") == b"application/json"

    def arguments(self, body: bytes) -> dict[str, Any] | None:
        """Return the arguments in a body, or None if it is not valid."""
        try:
            return cast(dict[str, Any], self._model.model_validate(json.loads(body)).model_dump(mode="json"))
        except Exception:  # FastAPI reads the same body, and explains the error
            return None

    async def submit(self, arguments: dict[str, Any], headers: Headers) -> Answer:
        """Submit a job."""
        options = SubmitOptions(request_id=as_uuid(headers.get(b"x-request-id", b"").decode("latin-1")))
        job = cast(Accepted, await self._jobs.submit(self._task, arguments, options))
        return Answer(202, ACCEPTED.dump_json(job), ((b"location", f"{self.path}/{job.job_id}".encode()),))

    async def look_up(self, job_id: str, seconds: int, receive: Receive) -> Answer:
        """Return the job as it is now; if *seconds* is not 0, first wait that long at most for the job to end."""
        if not seconds:
            return Answer(200, JOB.dump_json(await self._jobs.look_up(self._task, job_id)))
        job = await unless_disconnected(receive, self._jobs.wait(self._task, job_id, seconds))
        return Answer(200, JOB.dump_json(job)) if job else Answer(DISCONNECTED, b"")


class ExpressMiddleware:
    """Answer plain requests, and pass all others on."""

    def __init__(self, app: ASGIApp, jobs: Jobs, hosts: Collection[str]) -> None:
        self.app, self._hosts = app, frozenset(hosts)
        self._endpoints = {each.path: each for each in (Endpoint(task, jobs) for task in jobs.tasks())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let FastAPI answer."""
        begun = time.perf_counter()
        endpoint, job_id, seconds = self._find(scope)
        headers = self._plain_headers(scope) if endpoint else None
        if endpoint is None or headers is None:
            return await self.app(scope, receive, send)
        if job_id:
            route, answer = f"{endpoint.path}/{{job_id}}", endpoint.look_up(job_id, seconds, receive)
        else:
            if not endpoint.accepts(headers):
                return await self.app(scope, receive, send)
            messages = await _receive_all(receive)
            arguments = endpoint.arguments(b"".join(message.get("body", b"") for message in messages))
            if arguments is None:
                return await self.app(scope, _again(messages, receive), send)
            route, answer = endpoint.path, endpoint.submit(arguments, headers)
        await _respond(answer, partial(count, scope["method"], route, begun), scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Endpoint | None, str, int]:
        """Return the task's endpoint, the job's id ("" for a submit) and the seconds to wait.

        The endpoint is None if the request needs FastAPI.
        """
        if scope["type"] != "http":
            return None, "", 0
        path, method, query = scope["path"], scope["method"], scope["query_string"]
        if method == "POST" and not query:
            return self._endpoints.get(path), "", 0
        prefix, _, job_id = path.rpartition("/")
        seconds = _seconds_to_wait(query)
        if method == "GET" and job_id and job_id not in DOT_SEGMENTS and seconds is not None:
            return self._endpoints.get(prefix), job_id, seconds
        return None, "", 0

    def _plain_headers(self, scope: Scope) -> Headers | None:
        """Return the headers of a request; return None if the request is refused or not plain."""
        headers = dict(scope["headers"])
        repeated = len(headers) != len(scope["headers"])
        if repeated or not WITH_MEANING[scope["method"]].isdisjoint(headers):
            return None
        host, origin, site = (headers.get(name) for name in (b"host", b"origin", b"sec-fetch-site"))
        refusal = check_request(scope["method"], _text(host) or "", _text(origin), _text(site), self._hosts)
        return None if refusal else headers


def _seconds_to_wait(query: bytes) -> int | None:
    """Return the SECONDS of a query `wait=SECONDS`, 0 without a query, and None for any other."""
    found = re.fullmatch(rb"wait=(\d{1,2})", query)
    seconds = int(found[1]) if found else 0
    return seconds if (found or not query) and seconds <= LONGEST_WAIT else None


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


async def _receive_all(receive: Receive) -> list[Message]:
    """Return the messages of a request up to the end of its body, or of its connection."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with messages that were received before."""
    waiting = iter(messages)

    async def receive_again() -> Message:
        return next(waiting, None) or await receive()

    return receive_again


async def _respond(
    answer: Awaitable[Answer], observe: Callable[[int], None], scope: Scope, receive: Receive, send: Send
) -> None:
    """Send an answer, or the problem that it raises; pass the status to *observe* first."""
    try:
        status, body, headers = await answer
    except GlassqueueError as error:
        observe(error.status)
        return await own_error(None, error)(scope, receive, with_headers(send, private=True))
    except Exception:
        observe(500)
        await internal_error(None, None)(scope, receive, send)
        raise  # uvicorn logs it
    observe(status)
    about = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"), *headers, *GUARD_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})
