"""Record a real request and response per operation, with ids, times and hosts replaced."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx

from docs.tools.reference.example import example
from tests.support.wait import wait_until

API = "/producer/api"
_SHOWN_HEADERS = ("content-type", "location", "retry-after", "idempotent-replayed", "preference-applied")
#: Operations whose answers differ from one stack to the next: the page shows only the names of their fields.
OUTLINED = ("get_overview", "get_story", "get_record", "list_failures")
NOT_SERVED = ("notifications", "maintenance")
_PLACEHOLDERS = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "1cae9e36-ed1b-8595-2866-69340225e6bb",
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "2026-11-21T07:13:33.832885Z",
    r"(?<=\.\d@)[\w.-]+(?=\")": "host",
    r"(?<=<)[0-9a-f]{32}(?=@)": "6f3e0d1c9a4b4f7e8d2a5b6c7d8e9f00",
    r'(?<="done": )\d+': "42",
    r'(?<="jobs": )\d+(?=,\n    "of")': "12",
    r'(?<="of": )\d+': "12",
    r'(?<="next": )\d+\.\d+': "1795245213.832885",
}


def exchanges(http: httpx.Client, openapi: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return an exchange for each method and path."""
    scene = Scene(http, openapi)
    return {
        (method, path): scene.play(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def refusal(http: httpx.Client) -> str:
    """Return the exchange for a body that a task refuses."""
    body = {"no_such_field": 1}
    return _show(http.post(f"{API}/sum", json=body), body)


class Scene:
    """Prepare the jobs and schedules that the operations need."""

    def __init__(self, http: httpx.Client, openapi: dict[str, Any]) -> None:
        self._http = http
        self._openapi = openapi
        tasks = wait_until(self._counted_tasks, what="the catalogue counts the consumer")
        # this stack has no consumers for them: their jobs are cancelled
        self._not_done = {task["task"] for task in tasks if task["queue"] in NOT_SERVED}

    def _counted_tasks(self) -> list[dict[str, Any]]:
        """Return all tasks, or none while the producer has not read the consumer's heartbeat."""
        tasks: list[dict[str, Any]] = self._http.get(f"{API}/tasks").json()
        return tasks if all(task["consumers"] or task["queue"] in NOT_SERVED for task in tasks) else []

    def play(self, method: str, path: str, operation: dict[str, Any]) -> str:
        """Send an example request of an operation, and return the exchange."""
        body = _example(operation, self._openapi)
        if "/chaos/" in path:  # the stack that shows the other exchanges stays whole
            return ""
        if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
            return self._follow(path)
        address, params = path, dict[str, str | int]()
        if operation["operationId"] == "requeue_job":
            address = path.replace("{job_id}", self._job("sum", revoked=True))
        elif "{schedule_id}" in path:
            address = path.replace("{schedule_id}", self._schedule())
        elif "{job_id}" in path:
            address = path.replace("{job_id}", self._job_for(method, path))
        elif operation["operationId"] == "list_jobs":
            self._job("sum")
            params |= {"task": "sum", "limit": 1}
        elif operation["operationId"] == "list_schedules":
            self._schedule()
            params |= {"limit": 1}
        answer = self._http.request(method, address, json=body, params=params)
        location = answer.headers.get("location", "")
        if location and "/schedules/" not in location and path.split("/")[3] not in self._not_done:
            self._wait_for_end(location)
        return _show(answer, body, outline=operation["operationId"] in OUTLINED)

    def _job_for(self, method: str, path: str) -> str:
        """Return the id of a job that has ended, or that waits if it cannot run here."""
        name = path.split("/")[3]
        return self._job(name, waiting=method == "delete" and name in self._not_done)

    def _job(self, name: str, revoked: bool = False, waiting: bool = False, **params: Any) -> str:
        """Return the id of a job of the task, or of `sum` if *name* is not a task; it has ended if it can."""
        path = f"{API}/{name}" if f"{API}/{name}" in self._openapi["paths"] and name != "jobs" else f"{API}/sum"
        body = _example(self._openapi["paths"][path]["post"], self._openapi) or {}
        if name == "count_primes":  # fast: the page does not show the arguments
            body["limit"] = 100
        answer = self._http.post(path, json=body, params={"countdown": 60} if revoked else params)
        if answer.status_code == 422:
            sys.exit(
                f"make reference: {name} refuses {json.dumps(body)}; give its parameters `examples`: {answer.text}"
            )
        location = answer.headers["location"]
        if revoked or (name in self._not_done and not waiting):
            self._http.delete(location)
        elif not params and not waiting:
            self._wait_for_end(location)
        return str(location.rpartition("/")[2])

    def _schedule(self) -> str:
        """Return the id of a schedule."""
        path = f"{API}/schedules"
        body = _example(self._openapi["paths"][path]["post"], self._openapi)
        return str(self._http.post(path, json=body).json()["schedule_id"])

    def _follow(self, path: str) -> str:
        """Show the events of one job until its end, or of all jobs until one has ended."""
        job_id = self._job("sum", countdown=1) if path.startswith(f"{API}/sum") or "{job_id}" not in path else ""
        address = path.replace("{job_id}", job_id or self._job(path.split("/")[3]))
        with self._http.stream("GET", address) as stream:
            text = "\n".join(_until_end(stream.iter_lines(), job_id))
            if path.startswith(f"{API}/overview"):  # each event is a whole snapshot
                text = re.sub("id: .*\ndata: .*", "id: 1893456000000\ndata: {…}", text.strip().rpartition("\n\n")[2])
            head = f"GET {address} HTTP/1.1\n\nHTTP/1.1 200 OK\nContent-Type: text/event-stream"
        return _with_placeholders(f"{head}\n\n{text.strip()}")

    def _wait_for_end(self, address: str) -> None:
        wait_until(lambda: self._http.get(address).json()["ready"], what=f"{address} has ended")


def _until_end(lines: Iterator[str], job_id: str) -> Iterator[str]:
    for line in lines:
        if not line.startswith(":"):
            yield line
        if line.startswith("data:") and job_id in line and '"SUCCESS"' in line:
            return


def _example(operation: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body with all required fields, and those with an example or a default."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" not in body:  # none, or an optional one
        return None
    name = body["$ref"].rpartition("/")[2]
    schema = openapi["components"]["schemas"][name]
    needed = {"examples", "default"}  # FastAPI leaves out defaults that are null, and so does the example
    return {
        key: example(field, openapi)
        for key, field in schema["properties"].items()
        if key in schema.get("required", ()) or needed & field.keys()
    }


def _show(response: httpx.Response, body: dict[str, Any] | None, outline: bool = False) -> str:
    request = response.request
    lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1"]
    if body is not None:
        lines += ["Content-Type: application/json", "", json.dumps(body)]
    lines += ["", f"HTTP/1.1 {response.status_code} {response.reason_phrase}"]
    lines += [f"{name.title()}: {response.headers[name]}" for name in _SHOWN_HEADERS if name in response.headers]
    if response.content:
        content = response.json()
        shown = dict.fromkeys(content, "…") if outline else content
        lines += ["", json.dumps(shown, indent=2, ensure_ascii=False)]
    return _with_placeholders("\n".join(lines))


def _with_placeholders(text: str) -> str:
    for pattern, fixed in _PLACEHOLDERS.items():
        text = re.sub(pattern, fixed, text)
    return text
