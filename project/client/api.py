"""Submit jobs, look them up and follow them from Python.

with Client() as client:
    job = client.get(client.submit("sum", {"number": 10}).job_id, wait=60)
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from httpx_sse import connect_sse
from pydantic import TypeAdapter, ValidationError

from project.addresses import DOT_SEGMENTS
from project.job_models import Accepted, Change, Consumer, Job, JobPage, Queue, Requeued
from project.proxies import proxy_for

URL = "http://127.0.0.1:8080"
LONGEST_WAIT = 30  # seconds: the longest ?wait= that the producer accepts
RETRY_AFTER = 2  # seconds, for a response without Retry-After
TIMEOUT = 10  # seconds for a response
BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
NOT_OURS = "The response does not come from Glassqueue; check the URL."

T = TypeVar("T")


class ProblemError(Exception):
    """The response is a problem (RFC 9457): its HTTP status, detail, and the invalid fields."""

    def __init__(self, status: int, detail: str, errors: Any = None, retry_after: float = RETRY_AFTER) -> None:
        self.status, self.detail, self.errors, self.retry_after = status, detail, errors or [], retry_after
        super().__init__(" ".join([detail, *(f"{error['field']}: {error['message']}." for error in self.errors)]))

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in (429, 502, 503, 504)


class Client:
    """A client of the stack at *url*; all methods raise ProblemError, or httpx.TransportError if there is no response.

    retry_for: how long, in seconds, submit and waits retry on 429, 502-504 and on lost connections to a service that
    has responded before.
    """

    def __init__(self, url: str = URL, retry_for: float = 30) -> None:
        self._retry_for, self._reached = retry_for, False
        transport = httpx.HTTPTransport(proxy=proxy_for(url))
        self._http = httpx.Client(base_url=f"{url.rstrip('/')}/producer/api", timeout=TIMEOUT, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(
        self, task: str, arguments: dict[str, Any], *, idempotency_key: str | None = None, **options: Any
    ) -> Accepted:
        """Submit a job, or return the first one if the idempotency key was used before.

        options: the query parameters job_id, countdown, eta and priority. Without a job_id and a key, the client makes
        a key, so that a retry never submits a second job. With a job_id, it does not retry after a lost connection: if
        the job was accepted, the retry would fail because the id is taken.
        """
        key = idempotency_key or (None if options.get("job_id") else str(uuid4()))
        headers = {"Idempotency-Key": key} if key else {}
        ask = partial(self._ask, Accepted, "POST", task, json=arguments, params=options, headers=headers)
        return self._retry(ask, math.inf, again=bool(key))

    def get(self, job_id: str, wait: float = 0, *, traceback: bool = False) -> Job[Any]:
        """Return the job when it ends, or as it is after *wait* seconds; optionally with the traceback of its error."""
        shown = {"traceback": 1} if traceback else {}
        if not wait:
            return self._ask(Job[Any], "GET", "jobs", job_id, params=shown)
        end = time.monotonic() + wait
        while True:
            begun = time.monotonic()
            seconds = max(0, min(LONGEST_WAIT, end - begun))
            params = {"wait": seconds, **shown}
            ask = partial(self._ask, Job[Any], "GET", "jobs", job_id, params=params, timeout=seconds + TIMEOUT)
            job = self._retry(ask, end)
            if job.ready or time.monotonic() >= end:
                return job
            # a producer with MAX_WAITERS waiting clients responds immediately
            time.sleep(max(0, min(end, begun + 1) - time.monotonic()))

    def story(self, job_id: str) -> dict[str, Any]:
        """Return the runs of a job with the reason why each ended, its timeline and its relatives."""
        return self._ask(dict[str, Any], "GET", "jobs", job_id, "story")

    def jobs(self, **options: Any) -> JobPage:
        """Return recent jobs, newest first; options: task, status, limit, before (`next` of the previous page)."""
        return self._ask(JobPage, "GET", "jobs", params=options)

    def cancel(self, job_id: str) -> Job[Any]:
        """Cancel a job that waits or runs; raise ProblemError if it has ended, as DELETE would delete its result."""
        job = self.get(job_id)
        if job.ready:
            raise ProblemError(409, f"The job has ended already ({job.status}).")
        return self._ask(Job[Any], "DELETE", "jobs", job_id)

    def requeue(self, job_id: str) -> Accepted:
        """Requeue a failed or revoked job."""
        return self._ask(Accepted, "POST", "jobs", job_id, "requeue")

    def requeue_failed(self, task: str | None = None) -> list[str]:
        """Requeue all failed jobs (of a task) among the recent ones; return their ids."""
        return self._ask(Requeued, "POST", "jobs", "requeue", params={"task": task}).job_ids

    def tasks(self) -> list[dict[str, Any]]:
        """Return the catalogue: the tasks with the JSON Schemas of their arguments and results."""
        return self._ask(list[dict[str, Any]], "GET", "tasks")

    def queues(self) -> list[Queue]:
        """Return the queues with their numbers of jobs."""
        return self._ask(list[Queue], "GET", "queues")

    def consumers(self) -> list[Consumer]:
        """Return the consumers and the jobs that they run."""
        return self._ask(list[Consumer], "GET", "consumers")

    def follow(self, job_id: str | None = None) -> Iterator[Job[Any] | Change]:
        """Yield every change of every job from now on.

        For one job: yield the job, each of its changes, and the job again when it reports progress and when it ends.
        """
        path = ("events",) if job_id is None else ("jobs", job_id, "events")
        event: Job[Any] | Change | None = None
        for event in self._events(path):
            yield event
        if not isinstance(event, Job) or not event.ready:
            raise httpx.RemoteProtocolError("the stream of events has ended")

    def _ask(self, shape: type[T], method: str, *path: str, **options: Any) -> T:
        params = {name: value for name, value in options.pop("params", {}).items() if value is not None}
        response = self._http.request(method, _address(path), params=params, **options)
        self._reached = True
        _raise_problem(response)
        try:
            return TypeAdapter(shape).validate_json(response.content)
        except ValidationError:
            raise ProblemError(response.status_code, NOT_OURS) from None

    def _retry(self, ask: Callable[[], T], end: float, again: bool = True) -> T:
        """Retry temporary problems after Retry-After, until *end* or for retry_for seconds.

        again: also retry after a lost connection.
        """
        end = min(end, time.monotonic() + self._retry_for)
        while True:
            try:
                return ask()
            except ProblemError as problem:
                pause = problem.retry_after
                if not problem.temporary or time.monotonic() + pause > end:
                    raise
            except BROKEN:
                pause = RETRY_AFTER
                if not (again and self._reached) or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)

    def _events(self, path: tuple[str, ...]) -> Iterator[Job[Any] | Change]:
        # the service sends a comment every 15 seconds; after a longer silence it is considered dead
        with connect_sse(self._http, "GET", _address(path), timeout=LONGEST_WAIT) as source:
            _raise_problem(source.response)
            for event in source.iter_sse():
                yield (Job[Any] if event.event == "job" else Change).model_validate_json(event.data)


def _address(path: tuple[str, ...]) -> str:
    for name in path:
        if "/" in name:  # the service treats it as a separator, even percent-encoded
            raise ProblemError(404, f"No task and no job is called {name!r}.")
        if name in DOT_SEGMENTS:  # httpx would remove it and request another path
            raise ProblemError(422, f"No task and no job can be called {name!r}.")
    return "/" + "/".join(quote(name, safe="") for name in path)


def _raise_problem(response: httpx.Response) -> None:
    """Raise ProblemError if the response is a problem."""
    if response.is_success:
        return
    pause = response.headers.get("retry-after", "")
    seconds = int(pause) if pause.isdecimal() else RETRY_AFTER
    try:
        problem = json.loads(response.read())
        raise ProblemError(response.status_code, problem["detail"], problem.get("errors"), seconds)
    except (ValueError, LookupError, TypeError):
        raise ProblemError(response.status_code, NOT_OURS, retry_after=seconds) from None
