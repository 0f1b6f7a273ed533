"""Admission, the only way into a queue: a message becomes a call of the script admit.lua."""

import json
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from celery.utils.saferepr import saferepr
from redis import Redis

from . import keys, scripts
from .errors import JobExists, QueueFull
from .overwritten import naming
from .script_batch import ScriptBatch

#: Not stored, to keep records small: delivery restores them, or a Redis backend has no use for them.
DERIVED_HEADERS = frozenset({"id", "task", "lang", "eta", "attempt", "record", "taken_from"})
DERIVED_PROPERTIES = frozenset(
    {"delivery_info", "delivery_mode", "delivery_tag", "body_encoding", "reply_to", "priority"}
)
EMPTY: tuple[Any, ...] = (
    None,
    "",
    {},
    [],
    [None, None],
    (None, None),
)  # defaults of Celery's request, not stored
Admission = tuple[list[str], list[Any]]  # the keys and arguments of admit.lua


def as_protocol_2(message: dict[str, Any]) -> dict[str, Any]:
    """Convert a job of Celery's task protocol 1 (JSON) to protocol 2; return any other message unchanged.

    Protocol 1 has everything in the body and nothing in the headers. Celery 3 sends it, and `task_protocol=1`.
    """
    job = json.loads(message["body"]) if message["content-type"] == "application/json" else None
    if not isinstance(job, dict) or not {"task", "id", "args", "kwargs"} <= job.keys():
        return message
    embedded = {name: job.pop(name, None) for name in ("callbacks", "errbacks", "chord")} | {"chain": None}
    args, kwargs = job.pop("args"), job.pop("kwargs")
    headers = {"argsrepr": saferepr(args), "kwargsrepr": saferepr(kwargs), "group": job.pop("taskset", None)} | job
    return message | {"body": json.dumps([args, kwargs, embedded]), "headers": message["headers"] | headers}


def prepare(queue: str, message: dict[str, Any], channel: Any, parent: str = "") -> Admission:
    """Turn kombu's message into a script call; its delivery tag is the nonce, which tells a retry from a second job.

    *parent* is the id of the job that publishes, if there is one.
    """
    headers, properties = message["headers"], message["properties"]
    job_id, eta = headers["id"], headers.get("eta")
    check_id(job_id)
    kept = {k: v for k, v in headers.items() if k not in DERIVED_HEADERS and v not in EMPTY and v != job_id}
    carried = {k: v for k, v in properties.items() if k not in DERIVED_PROPERTIES and v and v != job_id}
    priority = channel._get_message_priority(message)
    if priority != keys.DEFAULT_PRIORITY:
        carried["priority"] = priority
    record = [part for field in headers.get("record", {}).items() for part in field]
    kinds = (properties["body_encoding"], message["content-type"], message["content-encoding"])
    return [keys.job(job_id), queue], [
        job_id, properties["delivery_tag"], headers["task"], keys.step(priority),
        orjson.dumps([message["body"], *kinds, kept, carried], default=str), due_at(eta) if eta else "",
        channel.queue_limit, headers.get("attempt") or "", headers.get("replaced_task_nesting") or 0,
        headers.get("parent_id") or parent, channel.recent_limit,
        *(headers.get("taken_from") or ("", "")), len(record), *record,
        *(channel.priority_steps if channel.queue_limit else ()),
    ]  # fmt: skip


def check_id(job_id: Any) -> None:
    """Raise ValueError for an id with control characters: in logs, and where processes show leases, a line is a job."""
    if not str(job_id).isprintable():
        allowed = "letters, digits, punctuation and spaces are allowed, but no control characters"
        raise ValueError(f"{job_id!r} cannot be a job's id: {allowed}")


def admit(client: Redis, call: Admission) -> None:
    """Admit one job, or raise JobExists or QueueFull."""
    with naming(call[0][0]):  # the script names the other keys itself
        answer = scripts.ADMIT(client, *call)
    _check(answer, call)


def admit_async(batch: ScriptBatch, call: Admission) -> Awaitable[None]:
    """Begin to admit one job from an event loop; awaiting the result raises JobExists or QueueFull."""

    async def outcome() -> None:
        with naming(call[0][0]):
            found = await answer
        _check(found, call)

    answer = batch.run(scripts.ADMIT, *call)
    return outcome()


def _check(answer: bytes, call: Admission) -> None:
    (_, queue), (job_id, *_, limit) = call[0], call[1][:7]
    if answer == b"EXISTS":
        raise JobExists(job_id)
    if answer == b"FULL":
        raise QueueFull(queue, limit)


def admit_many(client: Redis, calls: Sequence[Admission]) -> None:
    """Admit jobs in one round trip; skip known ids, and raise QueueFull if a queue had no room for a job."""
    pipeline: Any = client.pipeline(transaction=False).script_load(scripts.ADMIT.text)
    for names, args in calls:
        pipeline.evalsha(scripts.ADMIT.sha, len(names), *names, *args)
    for answer, (names, args) in zip(pipeline.execute()[1:], calls, strict=True):
        if answer == b"FULL":
            raise QueueFull(names[1], args[6])


def due_at(eta: str) -> float:
    """Turn Celery's eta (ISO 8601, UTC if it has no offset) into unix seconds."""
    moment = datetime.fromisoformat(eta)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
