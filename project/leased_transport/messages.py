"""What a record keeps of a job's message, and how it is read again.

The leased transport keeps the message itself: `[body, body encoding, content type, content encoding, headers,
properties]`. For brokers without leases the project keeps the call, with which the message can be sent again:
`[args, kwargs, options]`. After a switch from one kind of broker to another, each reads the form of the other.
"""

import base64
from typing import Any

import orjson
from celery import current_app
from celery.utils.functional import maybe_list
from kombu.serialization import dumps, loads

from .keys import DEFAULT_PRIORITY

#: What Celery's headers and apply_async call the same thing.
AS_OPTIONS = {"group": "group_id"} | {
    name: name
    for name in ("group_index", "expires", "retries", "root_id", "parent_id", "shadow", "ignore_result", "origin")
}
AS_LINKS = {"callbacks": "link", "errbacks": "link_error", "chain": "chain", "chord": "chord"}
#: What says how a message is sent, and is none of its contents.
NOT_CONTENT = ("queue", "routing_key", "exchange", "priority", "serializer", "compression", "headers", "add_to_parent")
Call = tuple[Any, dict[str, Any], dict[str, Any]]


def envelope(text: bytes, headers: dict[str, Any], queue: str, tag: str) -> dict[str, Any]:
    """Rebuild kombu's message from what admission stored and taking found out; raise ValueError if that is impossible.

    headers: what the transport knows by itself: id, task and attempt.
    """
    parts = _parts(text)
    if len(parts) == 3:
        return _addressed(_message_of(parts, headers), headers, queue, tag)
    body, encoding, content_type, content_encoding, kept, properties = parts
    message = {"body": body, "content-type": content_type, "content-encoding": content_encoding}
    message |= {"headers": kept, "properties": properties | {"body_encoding": encoding}}
    return _addressed(message, headers, queue, tag)


def call(text: bytes) -> Call:
    """Return arguments and options of apply_async for what a record keeps, in either form; raise if it is damaged."""
    parts = _parts(text)
    if len(parts) == 3:
        args, kwargs, options = loads(text, "application/json", "utf-8")
        return args, kwargs, options
    body, encoding, content_type, content_encoding, headers, properties = parts
    content = base64.b64decode(body, validate=True) if encoding == "base64" else body
    args, kwargs, links = loads(content, content_type, content_encoding or "utf-8", accept={"application/json"})
    options = {option: links[name] for name, option in AS_LINKS.items() if links.get(name)}
    options |= {option: headers[name] for name, option in AS_OPTIONS.items() if name in headers}
    hard, soft = headers.get("timelimit") or (None, None)
    options |= {name: limit for name, limit in (("time_limit", hard), ("soft_time_limit", soft)) if limit}
    options |= {name: properties[name] for name in ("priority",) if name in properties}
    return args, kwargs, options


def _parts(text: bytes) -> list[Any]:
    """Return the parts of a stored message, their types checked."""
    parts = orjson.loads(text or b"null")
    types = {3: (list | None, dict | None, dict), 6: (str, str | None, str, str | None, dict, dict)}
    wanted = types.get(len(parts)) if isinstance(parts, list) else None
    if wanted is None:
        raise ValueError("the stored message is not one of 3 or 6 parts")
    for position, (part, kind) in enumerate(zip(parts, wanted, strict=True), 1):
        if not isinstance(part, kind):
            raise ValueError(f"part {position} of the stored message is of type {type(part).__name__}")
    return list(parts)


def _message_of(parts: list[Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Return the message that Celery would send for a call."""
    args, kwargs, options = parts
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
    """Complete a message by what is known of its delivery."""
    delivery = {"exchange": "", "routing_key": queue, "redelivered": headers["attempt"] > 1}
    known = {"correlation_id": headers["id"], "delivery_tag": tag, "delivery_info": delivery}
    message["headers"] = {"root_id": headers["id"]} | message["headers"] | headers
    message["properties"] = {"priority": DEFAULT_PRIORITY} | message["properties"] | known
    return message
