"""Where schedules are kept: in Redis, under RedBeat's keys.

schedules:<id>        a hash: definition (JSON), next, last, fired, jobs, paused, secret
schedules::schedule   a sorted set: what is due when (unix seconds)
schedules::all        a sorted set: what was made when
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from celery import Celery
from redbeat.schedulers import ensure_conf, get_redis

from project.broker.scripts import Script
from project.schedules.schedule import Definition, Schedule

ADVANCE = Script("advance", Path(__file__).parent / "lua")
WEEK = 7 * 24 * 60 * 60  # seconds that the last notification of a reminder may wait for a consumer
JOBS_KEPT = 10  # ids of a schedule's last jobs


class Store:
    """The schedules of an app."""

    def __init__(self, app: Celery) -> None:
        conf = ensure_conf(app)
        self.client: Any = get_redis(app)
        self._prefix, self._due = conf.key_prefix, conf.schedule_key
        self.index = f"{self._prefix}:all"
        self._ttl = app.conf.result_expires

    def key(self, schedule_id: str) -> str:
        """Return the key of a schedule."""
        return f"{self._prefix}{schedule_id}"

    def write(self, schedule_id: str, definition: Definition, following: datetime, secret: str = "") -> None:
        """Keep a schedule that fires at *following* first; one that had this id is gone.

        secret: what its jobs need and nobody is shown; they ask for it when they run.
        """
        key, fields = self.key(schedule_id), {"definition": definition.model_dump_json(), "next": following.isoformat()}
        fields |= {"secret": secret} if secret else {}
        with self.client.pipeline() as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping=fields)
            pipe.zadd(self.index, {key: definition.created_at.timestamp()})
            pipe.zadd(self._due, {key: following.timestamp()})
            pipe.execute()

    def read(self, schedule_id: str) -> Schedule | None:
        """Return a schedule, or None if there is none of this id."""
        if schedule_id.startswith(":"):  # what RedBeat keeps for itself
            return None
        return next(iter(self._load([self.key(schedule_id)])), None)

    def secret(self, schedule_id: str) -> str | None:
        """Return the secret of a schedule, or None if it is gone."""
        secret: str | None = self.client.hget(self.key(schedule_id), "secret")
        return secret

    def due(self, now: float, skip: int, most: int) -> list[Schedule]:
        """Return schedules whose time has come, first those that wait longest; forget those that are gone."""
        keys = self.client.zrangebyscore(self._due, "-inf", now, start=skip, num=most)
        found = self._load(keys)
        if gone := set(keys) - {self.key(schedule.schedule_id) for schedule in found}:
            self.client.zrem(self._due, *gone)
        return found

    def next_time(self) -> float | None:
        """Return when the next schedule fires, in unix seconds."""
        first = self.client.zrange(self._due, 0, 0, withscores=True)
        return float(first[0][1]) if first else None

    def page(self, count: int, before: float | None) -> tuple[list[Schedule], float | None]:
        """Return schedules, the newest first, and the cursor of the next page (None at the end)."""
        limit = "+inf" if before is None else f"({before!r}"
        rows = self.client.zrevrangebyscore(self.index, limit, "-inf", start=0, num=count, withscores=True)
        return self._load([key for key, _ in rows]), rows[-1][1] if len(rows) == count else None

    def advance(self, schedule: Schedule, following: datetime | None, moments: list[datetime], jobs: list[str]) -> bool:
        """Note what was fired and what comes next; tell whether nobody else did so before."""
        assert schedule.next
        next_time = (following.isoformat(), following.timestamp()) if following else ("", "")
        last = moments[-1].isoformat() if moments else ""
        args = [schedule.next.isoformat(), *next_time, last, self._ttl, max(self._ttl, WEEK), JOBS_KEPT, *jobs]
        return bool(ADVANCE(self.client, [self.key(schedule.schedule_id), self._due], args))

    def pause(self, schedule_id: str) -> None:
        """Let a schedule fire no more until it is resumed."""
        key = self.key(schedule_id)
        with self.client.pipeline() as pipe:
            pipe.hset(key, "paused", 1)
            pipe.zrem(self._due, key)
            pipe.execute()

    def resume(self, schedule_id: str, following: datetime) -> None:
        """Let a paused schedule go on at *following*."""
        key = self.key(schedule_id)
        with self.client.pipeline() as pipe:
            pipe.hdel(key, "paused")
            pipe.hset(key, "next", following.isoformat())
            pipe.zadd(self._due, {key: following.timestamp()})
            pipe.execute()

    def delete(self, schedule_id: str) -> bool:
        """Forget a schedule; tell whether there was one."""
        if not self.read(schedule_id):
            return False
        key = self.key(schedule_id)
        with self.client.pipeline() as pipe:
            pipe.zrem(self._due, key)
            pipe.zrem(self.index, key)
            pipe.delete(key)
            return bool(pipe.execute()[-1])

    def _load(self, keys: Iterable[str]) -> list[Schedule]:
        keys = list(keys)
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            hashes = pipe.execute()
        pairs = zip(keys, hashes, strict=True)
        return [_schedule(key.removeprefix(self._prefix), fields) for key, fields in pairs if "definition" in fields]


def _schedule(schedule_id: str, fields: dict[str, str]) -> Schedule:
    definition = Definition.model_validate_json(fields["definition"])
    following = datetime.fromisoformat(fields["next"]) if fields["next"] else None
    return Schedule(
        **dict(definition),
        schedule_id=schedule_id,
        status="ended" if following is None else "paused" if "paused" in fields else "active",
        next=following,
        last_fired=datetime.fromisoformat(fields["last"]) if "last" in fields else None,
        fired_count=int(fields.get("fired", 0)),
        job_ids=fields.get("jobs", "").split(),
    )
