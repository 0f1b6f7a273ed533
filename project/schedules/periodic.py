"""The periodic jobs in Celery's option beat_schedule, as the stack's own schedules; their names are their ids.

The leader checks them regularly and restores those that were lost, deleted or overwritten in Redis, with the times
that they would have had. Paused ones stay paused. Missed times are skipped.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab, schedule

from project.schedules.errors import InvalidSchedule
from project.schedules.rules import Rule, make_rule
from project.schedules.schedule import Schedule, bind, following
from project.schedules.store import NAMES, Store, as_stored, parse, stored

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # intervals are counted from here, so that a restored schedule keeps its times

log = logging.getLogger(__name__)


class PeriodicJobs:
    """The stack's own schedules."""

    def __init__(self, app: Celery, store: Store) -> None:
        self._app, self._store = app, store
        #: The reason for each entry that cannot be used, by name.
        self.errors: dict[str, str] = {}

    def keep(self, *, skip_missed: bool) -> None:
        """Create missing schedules, delete those that are no longer in the settings, keep unchanged ones as they are.

        skip_missed: no scheduler ran for a while, so intervals continue with the next time from now.
        """
        entries, store = self._app.conf.beat_schedule, self._store
        for name in store.client.smembers(NAMES) - entries.keys():
            store.delete(name)
            store.client.srem(NAMES, as_stored(name))
        reported, self.errors = self.errors, {}
        for name, entry in entries.items():
            try:
                self._keep(name, self._planned(name, entry), skip_missed)
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
                reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                self.errors[name] = f"beat_schedule[{name!r}] is skipped: {reason}"
                if self.errors[name] != reported.get(name):
                    log.error("%s", self.errors[name])

    def _planned(self, name: str, entry: dict[str, Any]) -> Schedule:
        if name.startswith(":"):
            raise ValueError("a name must not begin with a colon: such keys belong to the scheduler")
        if entry["task"] not in self._app.tasks:
            raise ValueError(f"there is no task {entry['task']!r}")
        now = datetime.now(UTC)
        rule = _rule(entry["schedule"], now)
        next_time, *later = following(rule, now)
        planned = Schedule(
            schedule_id=name,
            task=entry["task"],
            arguments=bind(self._app.tasks[entry["task"]], entry.get("args", ()), entry.get("kwargs", {})),
            description="periodic job",
            rule=rule,
            catch_up="none",
            created_at=now,
            status="active",
            next=next_time,
            later=later,
        )
        return parse(name, stored(planned))  # as it will be read back: a tuple becomes a list, for example

    def _keep(self, name: str, planned: Schedule, skip_missed: bool) -> None:
        kept, store = self._store.read(name), self._store
        store.client.sadd(NAMES, name)
        if not isinstance(kept, Schedule) or kept.status == "ended" or _identity(kept) != _identity(planned):
            store.write(planned)
            return
        found = store.indexed(kept)
        if not found:
            store.put_into_index(kept)
        if kept.status == "paused" or not (kept.next and planned.next):
            return
        late = kept.next < planned.created_at and (skip_missed or not found) and kept.rule.kind == "every"
        if late or kept.next > planned.next:  # as after the clock was ahead: it would not fire until then
            store.advance(kept, planned.coming, [], [])


def _identity(schedule: Schedule) -> tuple[Any, ...]:
    return schedule.task, schedule.arguments, schedule.rule, schedule.catch_up


def _rule(when: Any, now: datetime) -> Rule:
    """Return the rule for seconds, a timedelta, a cron line, or Celery's objects for them."""
    if isinstance(when, crontab):
        return _rule_of_crontab(when, now)
    if isinstance(when, schedule):
        when = when.run_every
    if isinstance(when, str):
        return make_rule(cron=when, start=EPOCH, now=now)
    if not isinstance(when, timedelta | int | float):
        raise InvalidSchedule("schedule", f"{type(when).__name__} is not supported: use seconds or a cron line")
    return make_rule(every=when if isinstance(when, timedelta) else timedelta(seconds=when), start=EPOCH, now=now)


def _rule_of_crontab(when: crontab, now: datetime) -> Rule:
    """Return the rule that fires when Celery's crontab does: both day of month and day of week must match."""
    fields = [when.minute, when.hour, when.day_of_month, when.month_of_year, when.day_of_week]
    full = (60, 24, 31, 12, 7)
    if len(fields[2]) < full[2] and len(fields[4]) < full[4]:
        names = ("BYMINUTE", "BYHOUR", "BYMONTHDAY", "BYMONTH")
        parts = [f"{name}={_listed(field)}" for name, field in zip(names, fields, strict=False)]
        days = ",".join(["SU", "MO", "TU", "WE", "TH", "FR", "SA"][day] for day in sorted(fields[4]))
        return make_rule(rrule=";".join(["FREQ=DAILY", *parts, f"BYDAY={days}", "BYSECOND=0"]), start=EPOCH, now=now)
    texts = ["*" if len(field) == size else _listed(field) for field, size in zip(fields, full, strict=True)]
    return make_rule(cron=" ".join(texts), start=EPOCH, now=now)


def _listed(numbers: set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))
