"""Store schedules in Redis.

schedules:<id>        a hash: definition (JSON), next, times, last, fired, jobs, paused, secret
schedules::schedule   a sorted set: the active schedules, by due time (unix seconds)
schedules::all        a sorted set: all schedules, by creation time
schedules::paused     a set: the paused schedules
schedules::statics    a set: the ids of the stack's own schedules
schedules::lock       the lock of the leader, see leadership.py
schedules::leader     the heartbeat of the leader, see leader_heartbeat.py

Other programs may have written anything there: an unreadable entry becomes an InvalidEntry, never an exception.
"""

import re
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from celery import Celery
from pydantic import ValidationError
from redis.exceptions import ResponseError

from project import redis_clients
from project.errors import TooManySchedules
from project.leased_transport.scripts import Script, recoverable
from project.schedules.schedule import Definition, InvalidEntry, Schedule

ADD, ADVANCE, PAUSE = (Script(name, Path(__file__).parent / "lua") for name in ("add", "advance", "pause"))
WEEK = 7 * 24 * 60 * 60  # seconds that the last notification of a reminder may wait for a consumer
SCANNED = 1000  # keys that are read in one round trip
JOBS_KEPT = 10  # ids of a schedule's last jobs
COUNT = re.compile("0|[1-9][0-9]{0,14}")
SURROGATES = re.compile("[\ud800-\udfff]")
FARTHEST = sys.float_info.max  # a cursor cannot be infinite, but a score can

PREFIX = "schedules:"  # a key that goes on with another colon is not a schedule
DUE, INDEX, PAUSED, NAMES = f"{PREFIX}:schedule", f"{PREFIX}:all", f"{PREFIX}:paused", f"{PREFIX}:statics"

Entry = Schedule | InvalidEntry


class Store:
    """The schedules of an app."""

    def __init__(self, app: Celery) -> None:
        # names and values that another program wrote may hold bytes that are not UTF-8
        text: dict[str, Any] = {"decode_responses": True, "encoding_errors": "surrogateescape"}
        self.client: Any = redis_clients.client(app.broker.settings, **text)
        self._ttl = app.conf.result_expires

    def key(self, schedule_id: str) -> str:
        """Return the key of a schedule."""
        return f"{PREFIX}{schedule_id}"

    def write(self, schedule: Schedule, secret: str = "", limit: int = 0) -> None:
        """Store a schedule and replace one with the same id; if that one was paused, so is the new one.

        secret: never shown to clients; its jobs read it when they run. Raises TooManySchedules if *limit* schedules
        (0: no limit) are active or paused.
        """
        assert schedule.next
        fields = stored(schedule)
        keys = [self.key(schedule.schedule_id), INDEX, DUE, PAUSED]
        args = [limit, schedule.created_at.timestamp(), fields["definition"], secret]
        if not ADD(self.client, keys, [*args, fields["next"], schedule.next.timestamp(), fields["times"]]):
            raise TooManySchedules

    def read(self, schedule_id: str) -> Entry | None:
        """Return a schedule, or None if none has this id."""
        if schedule_id.startswith(":"):  # the keys above
            return None
        return next(iter(self._load([self.key(schedule_id)])), None)

    def secret(self, schedule_id: str) -> str | None:
        """Return the secret of a schedule, or None if it was deleted."""
        secret: str | None = self.client.hget(self.key(schedule_id), "secret")
        return secret

    def due(self, now: float, skip: int, count: int) -> list[Entry]:
        """Return due entries, the longest overdue first; remove those that must not fire from the sorted set."""
        keys = self.client.zrangebyscore(DUE, "-inf", now, start=skip, num=count)
        found = [entry for entry in self._load(keys) if getattr(entry, "status", "active") == "active"]
        if gone := set(keys) - {self.key(entry.schedule_id) for entry in found}:
            self.client.zrem(DUE, *map(as_stored, gone))
        return found

    def postpone(self, schedule_id: str, seconds: float) -> None:
        """Check an entry again after some seconds; a newer version may be able to use it."""
        self.client.zadd(DUE, {self.key(schedule_id): time.time() + seconds}, xx=True)

    def next_time(self) -> float | None:
        """Return when the next schedule fires, in unix seconds."""
        first = self.client.zrange(DUE, 0, 0, withscores=True)
        return float(first[0][1]) if first else None

    def page(self, count: int, before: float | None) -> tuple[list[Entry], float | None]:
        """Return schedules, the newest first, and the cursor of the next page (None at the end)."""
        limit = "+inf" if before is None else f"({before!r}"
        rows = self.client.zrevrangebyscore(INDEX, limit, "-inf", start=0, num=count, withscores=True)
        cursor = max(-FARTHEST, min(FARTHEST, rows[-1][1])) if len(rows) == count else None
        return self._load([key for key, _ in rows]), cursor

    def advance(self, schedule: Schedule, coming: list[datetime], moments: list[datetime], jobs: list[str]) -> bool:
        """Record what was fired and what comes next (nothing at the end); return False if it was recorded before."""
        assert schedule.next
        last = moments[-1].isoformat() if moments else ""
        args = [schedule.next.isoformat(), *_times(coming), last, self._ttl, max(self._ttl, WEEK), JOBS_KEPT, *jobs]
        return bool(ADVANCE(self.client, [self.key(schedule.schedule_id), DUE, PAUSED], args))

    def pause(self, schedule_id: str) -> None:
        """Stop firing a schedule until it is resumed."""
        PAUSE(self.client, [self.key(schedule_id), DUE, PAUSED], _times([]))

    def resume(self, schedule_id: str, coming: list[datetime]) -> None:
        """Resume a paused schedule at the first of these times."""
        PAUSE(self.client, [self.key(schedule_id), DUE, PAUSED], _times(coming))

    def delete(self, schedule_id: str) -> bool:
        """Delete a schedule, or anything else stored under its id; return False if there was nothing."""
        if schedule_id.startswith(":"):
            return False
        key = as_stored(self.key(schedule_id))
        # no transaction: a full Redis may reject MULTI; index entries without a schedule are removed when they are read
        with self.client.pipeline(transaction=False) as pipe:
            pipe.delete(key)
            pipe.zrem(DUE, key)
            pipe.zrem(INDEX, key)
            pipe.srem(PAUSED, key)
            return bool(pipe.execute()[0])

    def indexed(self, schedule: Schedule) -> bool:
        """Tell whether a schedule is in the index and, if active, has a due time no later than its next time."""
        key = self.key(schedule.schedule_id)
        with self.client.pipeline(transaction=False) as pipe:
            made, due = pipe.zscore(INDEX, key).zscore(DUE, key).execute()
        on_time = schedule.next and due is not None and due <= schedule.next.timestamp()
        return made is not None and (schedule.status != "active" or bool(on_time))

    def put_into_index(self, schedule: Schedule) -> None:
        """Add a schedule to the index and, if active, to the sorted set of due schedules."""
        key = self.key(schedule.schedule_id)
        self.client.zadd(INDEX, {key: schedule.created_at.timestamp()})
        if schedule.status == "active" and schedule.next:
            self.client.zadd(DUE, {key: schedule.next.timestamp()})

    def repair_indexes(self) -> list[str]:
        """Rename keys of the scheduler that have a wrong type; return the new names.

        Rebuilds the indexes if a key was renamed, or if only one of the two is there.
        """
        renamed = []
        kinds = {DUE: "zset", INDEX: "zset", PAUSED: "set", NAMES: "set"}
        for key, kind in kinds.items():
            if self.client.type(key) not in (kind, "none"):
                renamed.append(f"{key}:not-a-{kind}:{int(time.time())}")
                self.client.rename(key, renamed[-1])
        if renamed or self.client.exists(INDEX) != self.client.exists(DUE):
            self.complete_indexes()
        return renamed

    def complete_indexes(self) -> None:
        """Put all schedules back that have lost their place in an index."""
        keys = self.client.scan_iter(f"{PREFIX}[^:]*", count=SCANNED)
        while batch := list(islice(keys, SCANNED)):
            for entry in self._load(batch):
                if isinstance(entry, Schedule) and not self.indexed(entry):
                    self.put_into_index(entry)

    def _load(self, keys: Iterable[str]) -> list[Entry]:
        # a key that is not UTF-8 is not a schedule of ours, and no response could contain it
        keys = [key for key in keys if key.startswith(PREFIX) and key.isprintable()]
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            found = pipe.execute(raise_on_error=False)
        pairs = zip(keys, found, strict=True)
        return [_entry(key.removeprefix(PREFIX), fields) for key, fields in pairs if fields != {}]


def as_stored(key: str) -> bytes:
    """Return a key as bytes; those that are not UTF-8 were decoded to surrogates."""
    return key.encode(errors="surrogateescape")


def stored(schedule: Schedule) -> dict[str, str]:
    """Return the fields of a schedule that has not fired yet."""
    assert schedule.next
    definition = schedule.model_dump_json(include=set(Definition.model_fields))
    return {"definition": definition, "next": schedule.next.isoformat(), "times": _listed(schedule.coming)}


def _times(coming: list[datetime]) -> list[str | float]:
    """Return the next time, its unix seconds and all known times, as the Lua scripts expect them."""
    return [coming[0].isoformat(), coming[0].timestamp(), _listed(coming)] if coming else ["", "", ""]


def _listed(moments: list[datetime]) -> str:
    return " ".join(moment.isoformat() for moment in moments)


def parse(schedule_id: str, fields: dict[str, str]) -> Schedule:
    """Return the schedule of a hash; raise KeyError or ValueError if it is invalid."""
    definition = Definition.model_validate_json(fields["definition"])
    definition.rule.check()
    following = datetime.fromisoformat(fields["next"]) if fields["next"] else None
    if following and following.isoformat() != fields["next"]:  # advance.lua compares the text
        raise ValueError(f"its field next is not written as {following.isoformat()}")
    return Schedule(
        **dict(definition),
        schedule_id=schedule_id,
        status="ended" if following is None else "paused" if "paused" in fields else "active",
        next=following,
        later=_later(fields),
        last_fired=datetime.fromisoformat(fields["last"]) if "last" in fields else None,
        fired_count=_count(fields.get("fired", "0")),
        job_ids=fields.get("jobs", "").split(),
    )


def _count(text: str) -> int:
    """Return a number of times; raise ValueError if advance.lua could not increment it."""
    if not COUNT.fullmatch(text):
        raise ValueError("its field fired is not a number of up to 15 digits")
    return int(text)


def _later(fields: dict[str, str]) -> list[datetime]:
    """Return the known times after the next one; none if an older version has moved the schedule on without them."""
    first, *later = fields.get("times", "").split() or [""]
    return list(map(datetime.fromisoformat, later)) if first == fields["next"] else []


def _entry(schedule_id: str, fields: Any) -> Entry:
    try:
        if isinstance(fields, Exception):
            raise recoverable(fields)
        if SURROGATES.search("".join(fields.values())):
            raise ValueError("it holds bytes that are not UTF-8")
        return parse(schedule_id, fields)
    except ResponseError as error:
        if "WRONGTYPE" not in f"{error}":
            raise
        reason = "its key does not hold a hash"
    except KeyError as error:
        reason = f"its field {error.args[0]} is missing"
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'definition'}: {first['msg']}"
    except (ValueError, OverflowError) as error:
        reason = str(error)
    return InvalidEntry(schedule_id=schedule_id, error=f"{reason}; delete this schedule and make it again")
