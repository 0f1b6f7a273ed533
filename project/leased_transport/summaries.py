"""Read the parts of job records that lists show: long fields are left out, and stay in Redis."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis import Redis

from . import keys, records, scripts

LONGEST = 2048  # bytes of a field that a list shows
CAN_BE_LONG = ("result", "error", "message")
SHORT = ["task", "status", "queue", "consumer", "token", "returned", "parent", "child_ids", "progress"]
SHORT += ["submitted_at", "started_at", "finished_at"]
TIMES = ("due_at", "leased_until")  # as records.read() has them


def read(client: Redis, job_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the records of the known jobs, each with its job_id and the names of its `omitted` fields."""
    names = [len(CAN_BE_LONG), *CAN_BE_LONG, *SHORT]
    found = scripts.SUMMARIZE(client, [keys.job(job_id) for job_id in job_ids], [LONGEST, *names]) if job_ids else []
    returned = (*SHORT, *CAN_BE_LONG, *TIMES)
    summaries = (_summary(dict(zip(returned, values, strict=True))) for values in found)
    return [{"job_id": job_id, **each} for job_id, each in zip(job_ids, summaries, strict=True) if each]


def _summary(fields: dict[str, Any]) -> dict[str, Any] | None:
    omitted = {name: value for name, value in fields.items() if isinstance(value, list)}
    record = records.readable({name.encode(): value for name, value in fields.items() if isinstance(value, bytes)})
    if record is None:
        return None
    if "error" in omitted:
        record["error"] = json.dumps(_cut(omitted["error"][0]))
    message = fields.get("message")
    return {**record, "message": message if isinstance(message, bytes) else None, "omitted": list(omitted)}


def message_of(failure: bytes) -> str:
    """Return the message in the JSON of an error, which may be cut off."""
    with suppress(ValueError, AttributeError):
        return str(json.loads(failure).get("message", ""))[:LONGEST].encode(errors="replace").decode()
    return _cut(failure)["message"]


def _cut(beginning: bytes) -> dict[str, str]:
    """Parse the beginning of the JSON of a long error; it ends somewhere in the message."""
    text = beginning.decode(errors="ignore")
    for end in range(len(text), len(text) - 6, -1):  # the text may end in an incomplete escape
        with suppress(ValueError, AttributeError):
            error = json.loads(text[:end] + '"}')
            # half a surrogate pair may be left
            message = re.sub("[\ud800-\udbff]$", "", str(error.get("message", "")))
            return {"type": str(error.get("type", "Error")), "message": f"{message}…"}
    return {"type": "Error", "message": "…"}
