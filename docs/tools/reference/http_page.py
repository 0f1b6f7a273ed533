"""Generate the page of the HTTP API from OpenAPI and real exchanges."""

from typing import Any

import httpx

from docs.tools.reference.exchange import exchanges, refusal
from docs.tools.reference.schema import fields, in_words, table

INTRO = """# HTTP

Every operation of the producer, generated from its [OpenAPI document](http://127.0.0.1:8080/producer/openapi.json), with
a real exchange. Ids, times and hosts in the examples are placeholders. Try the operations in the browser:
<http://127.0.0.1:8080/producer/docs>.

Bodies are JSON and need `Content-Type: application/json`. Unknown fields and wrong types are refused with 422: `"10"`
is not a number. Every error is a [Problem](#problem), including the errors of NGINX itself: with `RATE_LIMIT` set, any
operation can answer 429.
"""

# RFC 9110 section 15, in the words of this stack
STATUSES = {
    "200": "success",
    "201": "created; `Location` is its address",
    "202": "accepted; `Location` is the job's address",
    "204": "success, without a body",
    "400": "the body is not JSON",
    "403": "breaking parts of the stack is not enabled (`CHAOS`)",
    "404": "no such job or schedule",
    "409": "the id or the Idempotency-Key is taken, the job is in another state, or the schedule's task has changed",
    "413": "the body is larger than 1 MiB (mails and schedules: 3 MiB)",
    "415": "the Content-Type is not JSON",
    "422": "the arguments do not fit; `errors` names the fields",
    "429": "one of the limits `QUEUE_LIMIT`, `MAX_WAITERS`, `MAX_EVENT_LISTENERS`, `SCHEDULE_LIMIT` or `RATE_LIMIT` is reached; see `Retry-After`",
    "503": "Redis is unavailable; see `Retry-After`",
}


def http_page(http: httpx.Client) -> str:
    """Return the page."""
    openapi = http.get("/producer/openapi.json").json()
    shown = exchanges(http, openapi)
    operations = [
        _operation(method, path, operation, shown[method, path])
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [_schema(name, schema) for name, schema in sorted(openapi["components"]["schemas"].items())]
    errors = f"\n## An error\n\n```http\n{refusal(http)}\n```\n"
    return f"{INTRO}\n## Operations\n{''.join(operations)}{errors}\n## Schemas\n{''.join(schemas)}"


def _operation(method: str, path: str, operation: dict[str, Any], exchange: str) -> str:
    answers = [(status, STATUSES[status], _link(answer)) for status, answer in sorted(operation["responses"].items())]
    body = _link(operation.get("requestBody", {}))
    request = f"Body: {body}.\n\n" if body else ""
    example = f"\n```http\n{exchange}\n```\n" if exchange else ""
    return (
        f"\n### {method.upper()} {path}\n\n{_sentence(operation['summary'])}\n\n{request}"
        f"{_parameters(operation)}{table(('status', 'meaning', 'body'), *answers)}{example}"
    )


def _parameters(operation: dict[str, Any]) -> str:
    """Return the table of the query parameters and headers, or ""."""
    rows = [
        (f"`{parameter['name']}`", parameter["in"], in_words(parameter["schema"]), parameter.get("description", ""))
        for parameter in operation.get("parameters", ())
        if parameter["in"] != "path"
    ]
    return f"{table(('parameter', 'in', 'type', 'meaning'), *rows)}\n" if rows else ""


def _link(content: dict[str, Any]) -> str:
    """Return a link to the schema of a body, or "" without a body."""
    for media_type in content.get("content", {}).values():
        if "itemSchema" in media_type:
            return "stream of events"
        schema = media_type["schema"]
        schema = next((each for each in schema.get("anyOf", ()) if "$ref" in each), schema)  # an optional body
        many = "array of " if "items" in schema else ""
        name = schema.get("items", schema)["$ref"].rpartition("/")[2]
        return f"{many}[{name}](#{name.lower()})"
    return ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    description = f"{schema['description']}\n\n" if "description" in schema else ""
    return f"\n### {name}\n\n{description}{fields(schema)}"


def _sentence(text: str) -> str:
    return text if text.endswith(("?", "!", ".")) else f"{text}."
