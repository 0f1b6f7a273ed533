"""Parse the messages of the inbox: our own short form, or the message of a stock Celery client."""

import base64
import json
import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.jobs.submit_options import ChosenId, Eta
from project.task_options.signature import Arguments, parameter_names

# bytes: enough for the largest mail if a Celery client escapes every letter for ASCII and encodes all in base64
LONGEST = 4 * 2**20
MOST_KEYS = 100  # of a message, as over HTTP
TOO_LONG = f"a message may have at most {LONGEST} bytes"
CELERY_QUEUE = "celery"  # the default queue of Celery clients
ALIASES = {"name": "task", "namespace": "queue"}
OF_CELERY = {"body", "headers", "properties"}
#: Celery options that do not work without Celery's own consumers: rejected, never ignored.
UNSUPPORTED = ("callbacks", "errbacks", "chain", "chord", "expires", "retries", "timelimit", "compression")
NOTHING: tuple[Any, ...] = (None, 0, [], [None, None])


class BadMessage(Exception):
    """A message cannot become a job; the text gives the reason."""


class InboxMessage(BaseModel):
    """A job that another program submits."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    queue: str | None = None
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    job_id: ChosenId | None = None
    eta: Eta | None = Field(default=None, strict=False)
    priority: int | None = Field(default=None, ge=0, le=9)

    def arguments(self, model: type[Arguments]) -> dict[str, Any]:
        """Return the arguments by name, validated against the task's model, as JSON values."""
        names = parameter_names(model)
        if len(self.args) > len(names):
            raise BadMessage(f"args: {self.task} takes {len(names)} arguments, not {len(self.args)}")
        by_position = dict(zip(names, self.args, strict=False))
        if duplicates := sorted(by_position.keys() & self.kwargs.keys()):
            raise BadMessage(f"kwargs.{duplicates[0]}: also given in args")
        try:
            return model.model_validate(by_position | self.kwargs).model_dump(mode="json")
        except ValidationError as error:
            raise BadMessage(_explain(error, "kwargs")) from None


def read(text: bytes) -> InboxMessage:
    """Return the message, or raise BadMessage."""
    if len(text) > LONGEST:
        raise BadMessage(TOO_LONG)
    content = _parse(text)
    if not isinstance(content, dict):
        raise BadMessage("not a JSON object")
    if len(content) > MOST_KEYS:
        raise BadMessage(f"a message may have at most {MOST_KEYS} fields, not {len(content)}")
    fields = _from_celery(content) if content.keys() >= OF_CELERY else _without_aliases(content)
    try:
        return InboxMessage.model_validate(fields)
    except ValidationError as error:
        raise BadMessage(_explain(error)) from None


def _parse(text: str | bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise BadMessage("nested too deeply") from None
    except ValueError:
        raise BadMessage("not JSON") from None


def _finite(number: str) -> float:
    """Return a number; raise BadMessage for NaN and infinity, including overflow (1e999)."""
    if not math.isfinite(value := float(number)):
        raise BadMessage(f"{number[:20]} is not a finite number")
    return value


def _without_aliases(content: dict[str, Any]) -> dict[str, Any]:
    for alias, word in ALIASES.items():
        if {alias, word} <= content.keys():
            raise BadMessage(f"{word} and {alias} mean the same: use only one of them")
    return {ALIASES.get(name, name): value for name, value in content.items()}


def _from_celery(content: dict[str, Any]) -> dict[str, Any]:
    """Convert a message of Celery's protocol 2, in kombu's envelope for Redis, to the short form."""
    if content.get("content-type") != "application/json":
        raise BadMessage(f"content-type {content.get('content-type')}: must be application/json")
    try:
        headers, properties, body = content["headers"], content["properties"], content["body"]
        _refuse_options(headers)
        args, kwargs, rest = _parse(base64.b64decode(body) if properties["body_encoding"] == "base64" else body)
        _refuse_options(rest)
        queue = properties["delivery_info"]["routing_key"]
        known = {"task": headers["task"], "job_id": headers["id"], "args": args, "kwargs": kwargs}
        known |= {"eta": headers.get("eta"), "priority": properties.get("priority") or None}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BadMessage("not a message of Celery's protocol 2") from None
    return known | {"queue": None if queue == CELERY_QUEUE else queue}


def _refuse_options(given: dict[str, Any]) -> None:
    for name in UNSUPPORTED:
        if given.get(name) not in NOTHING:
            raise BadMessage(f"{name}: not supported; of Celery's options only queue, priority, eta and countdown are")


def _explain(error: ValidationError, *place: str) -> str:
    """Describe the errors with their fields, without the values, which are stored beside the reason."""
    return "; ".join(f"{'.'.join(map(str, (*place, *problem['loc'])))}: {problem['msg']}" for problem in error.errors())
