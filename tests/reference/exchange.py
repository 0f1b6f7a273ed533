"""One real request and answer per operation, with ids, times and hosts replaced."""

import json
import re
from typing import Any

import httpx

from tests.support.wait import wait_until

_SHOWN_HEADERS = ("content-type", "location", "retry-after")
_ANY = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "1cae9e36-ed1b-8595-2866-69340225e6bb",
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "2026-11-21T07:13:33.832885Z",
    r"(?<=\")[\w.-]+@[\w.-]+(?=\")": "consumer.1@host",
}


def exchanges(http: httpx.Client, openapi: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return an exchange for each method and path; a job is looked up once it has ended."""
    shown: dict[tuple[str, str], str] = {}
    submitted: dict[str, str] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            body = _example(operation, openapi)
            response = http.request(method, path.replace("{job_id}", submitted.get(path, "")), json=body)
            if "location" in response.headers:
                submitted[f"{path}/{{job_id}}"] = response.headers["location"].rpartition("/")[2]
                _wait_for_end(http, response.headers["location"])
            shown[method, path] = _show(response, body)
    return shown


def refusal(http: httpx.Client, openapi: dict[str, Any]) -> str:
    """Return what happens to a body that the first task does not accept."""
    path = next(path for path, methods in openapi["paths"].items() if "post" in methods)
    body = {"no_such_field": 1}
    return _show(http.post(path, json=body), body)


def _wait_for_end(http: httpx.Client, address: str) -> None:
    wait_until(lambda: http.get(address).json()["ready"], 20, f"{address} has ended")


def _example(operation: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body made of the examples and defaults of its fields."""
    if "requestBody" not in operation:
        return None
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    properties = openapi["components"]["schemas"][name]["properties"]
    return {key: field["examples"][0] if "examples" in field else field["default"] for key, field in properties.items()}


def _show(response: httpx.Response, body: dict[str, Any] | None) -> str:
    request = response.request
    lines = [f"{request.method} {request.url.path} HTTP/1.1"]
    if body is not None:
        lines += ["Content-Type: application/json", "", json.dumps(body)]
    lines += ["", f"HTTP/1.1 {response.status_code} {response.reason_phrase}"]
    lines += [f"{name.title()}: {response.headers[name]}" for name in _SHOWN_HEADERS if name in response.headers]
    text = "\n".join([*lines, "", json.dumps(response.json(), indent=2, ensure_ascii=False)])
    for pattern, fixed in _ANY.items():
        text = re.sub(pattern, fixed, text)
    return text
