"""Read the message that is stored in a job's record.

The leased transport stores the message itself: `[body, body encoding, content type, content encoding, headers,
properties]`. With brokers without leases the record has the call, from which the message can be made again:
`[args, kwargs, options]`. After a switch from one kind of broker to another, each reads the other's form.
"""

import base64
from typing import Any

import orjson
from celery import current_app
from celery.utils.functional import maybe_list
from kombu.compression import decompress
from kombu.serialization import dumps, loads

from .keys import DEFAULT_PRIORITY

#: Names of Celery's headers, and the options of apply_async that set them.
AS_OPTIONS = {"group": "group_id"} | {
    name: name
    for name in ("group_index", "expires", "retries", "root_id", "parent_id", "shadow", "ignore_result", "origin")
}
AS_LINKS = {"callbacks": "link", "errbacks": "link_error", "chain": "chain", "chord": "chord"}
#: Headers that sending sets again; all others are the job's own, and stamps.
SET_AGAIN = {*AS_OPTIONS, "timelimit", "argsrepr", "kwargsrepr", "compression"}
#: Options for sending a message; they are not part of it.
NOT_CONTENT = ("queue", "routing_key", "exchange", "priority", "serializer", "compression", "headers", "add_to_parent")
Call = tuple[Any, dict[str, Any], dict[str, Any]]


def envelope(text: bytes, headers: dict[str, Any], queue: str, tag: str) -> dict[str, Any]:
    """Rebuild kombu's message from the stored text; raise ValueError if it is damaged.

    headers: id, task and attempt, which fetch.lua returns.
    """
    parts = _parts(text)
    if len(parts) == 3:
        return _addressed(_message_of(_call(text), headers), headers, queue, tag)
    body, encoding, content_type, content_encoding, kept, properties = parts
    message = {"body": body, "content-type": content_type, "content-encoding": content_encoding}
    message |= {"headers": kept, "properties": properties | {"body_encoding": encoding}}
    return _addressed(message, headers, queue, tag)


def call(text: bytes) -> Call:
    """Return arguments and options of apply_async for a stored message of either form; raise if it is damaged."""
    parts = _parts(text)
    if len(parts) == 3:
        return _call(text)
    body, encoding, content_type, content_encoding, headers, properties = parts
    content = base64.b64decode(body, validate=True) if encoding == "base64" else body
    if compression := headers.get("compression"):
        content = decompress(content, compression)
    args, kwargs, links = loads(content, content_type, content_encoding or "utf-8", accept={"application/json"})
    options = {option: links[name] for name, option in AS_LINKS.items() if links.get(name)}
    options |= {option: headers[name] for name, option in AS_OPTIONS.items() if name in headers}
    hard, soft = headers.get("timelimit") or (None, None)
    options |= {name: limit for name, limit in (("time_limit", hard), ("soft_time_limit", soft)) if limit}
    options |= {name: properties[name] for name in ("priority",) if name in properties}
    options["headers"] = {name: value for name, value in headers.items() if name not in SET_AGAIN}
    return args, kwargs, options


def _call(text: bytes) -> Call:
    """Read arguments and options as kombu writes them: a time, for example, is an object in JSON."""
    args, kwargs, options = loads(text, "application/json", "utf-8")
    return args, kwargs, options


def _parts(text: bytes) -> list[Any]:
    """Parse a stored message and check the types of its parts."""
    parts = orjson.loads(text or b"null")
    types = {3: (list | None, dict | None, dict), 6: (str, str | None, str, str | None, dict, dict)}
    wanted = types.get(len(parts)) if isinstance(parts, list) else None
    if wanted is None:
        raise ValueError("the stored message is not one of 3 or 6 parts")
    for position, (part, kind) in enumerate(zip(parts, wanted, strict=True), 1):
        if not isinstance(part, kind):
            raise ValueError(f"part {position} of the stored message is of type {type(part).__name__}")
    return list(parts)


def _message_of(stored: Call, headers: dict[str, Any]) -> dict[str, Any]:
    """Build the message that Celery would send for a call."""
    args, kwargs, options = stored
    links = {name: maybe_list(options.get(AS_LINKS[name])) for name in ("callbacks", "errbacks")}
    content = {name: value for name, value in options.items() if name not in (*NOT_CONTENT, "link", "link_error")}
    built = current_app.amqp.as_task_v2(headers["id"], headers["task"], args, kwargs, **content, **links)
    content_type, encoding, body = dumps(built.body, "json")
    properties = {name: options[name] for name in ("priority",) if name in options}
    known = built.headers | {"ignore_result": options.get("ignore_result")}  # None: as the task declares
    known = {name: value for name, value in known.items() if value is not None} | (options.get("headers") or {})
    message = {"body": body, "content-type": content_type, "content-encoding": encoding}
    return message | {"headers": known, "properties": properties | {"body_encoding": None}}


def _addressed(message: dict[str, Any], headers: dict[str, Any], queue: str, tag: str) -> dict[str, Any]:
    """Add the properties and headers of a delivery to a message."""
    delivery = {"exchange": "", "routing_key": queue, "redelivered": headers["attempt"] > 1}
    known = {"correlation_id": headers["id"], "delivery_tag": tag, "delivery_info": delivery}
    message["headers"] = {"root_id": headers["id"]} | message["headers"] | headers
    message["properties"] = {"priority": DEFAULT_PRIORITY} | message["properties"] | known
    return message
