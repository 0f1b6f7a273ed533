"""A schedule: its definition, its state and its next times."""

import inspect
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, NonNegativeInt

from project.derived_ids import derived_id
from project.schedules.cpu_limit import TooSlow, cpu_limit
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import Rule

CatchUp = Literal["none", "last", "all"]
Status = Literal["active", "paused", "ended"]

GRACE = timedelta(seconds=60)  # a job that is no later than this is on time: a failover takes some seconds
AT_ONCE = 100  # occurrences of one schedule in one round, so that the others get their turn
KNOWN = 5  # number of next times that are kept with a schedule and shown
SEARCH = 3.0  # seconds of CPU time to find the next time; less than the lifetime of the leader's lock
BRIEFLY = 0.01  # seconds of CPU time for the times after it; those not found are not shown


class Definition(BaseModel):
    """What a schedule does, as its creator defined it."""

    task: str
    arguments: dict[str, Any]
    description: str
    rule: Rule
    catch_up: CatchUp = "last"
    created_at: AwareDatetime


class Schedule(Definition):
    """A schedule as it is at this moment."""

    schedule_id: str
    status: Status
    next: AwareDatetime | None
    later: list[AwareDatetime] = []  # the known times after it
    last_fired: AwareDatetime | None = None
    fired_count: NonNegativeInt = 0
    job_ids: list[str] = []
    error: str = ""  # why it cannot fire, for example because its task was removed

    @property
    def coming(self) -> list[datetime]:
        """Return the known next times."""
        return [self.next, *self.later] if self.next else []

    def job_id(self, moment: datetime) -> str:
        """Return the id of the job of an occurrence: always the same, so that it is not admitted twice."""
        return derived_id("schedule", f"{self.schedule_id} {moment.isoformat()}")

    def due(self, now: datetime) -> tuple[list[datetime], list[datetime]]:
        """Return the occurrences to fire now, and some after them (none if it has ended); raise TooSlow.

        catch_up decides which missed occurrences are among them.
        """
        fire: list[datetime] = []
        with cpu_limit(SEARCH):
            begin = self._begin(now)
            for moment in self._from(begin) if begin else ():
                if moment > now or len(fire) == AT_ONCE:
                    break
                fire.append(moment)
            else:
                return fire, []
        return fire, [moment, *upcoming(self.rule, moment, self.later)]

    def _from(self, begin: datetime) -> Iterator[datetime]:
        """Yield the occurrences from *begin* on: first the known ones, which need no search."""
        known = [begin, *(moment for moment in self.later if moment > begin)]
        return chain(known, self.rule.occurrences(known[-1]))

    def _begin(self, now: datetime) -> datetime | None:
        late = now - GRACE
        if self.next is None or self.next > late or self.catch_up == "all":
            return self.next
        on_time = self.rule.next_after(late)
        if self.catch_up == "none" or (on_time and on_time <= now):
            return on_time
        return self._last_before(now)

    def _last_before(self, now: datetime) -> datetime:
        """Return the last occurrence; halves the time to search through, instead of listing all that were missed."""
        assert self.next
        last, end = self.next, now
        while moments := _until(self.rule, last, now, AT_ONCE):
            last = moments[-1]
            if len(moments) < AT_ONCE:
                break
            middle = last + (end - last) / 2
            if found := _until(self.rule, middle, now, 1):
                last = found[0]
            else:
                end = middle
        return last


class InvalidEntry(BaseModel):
    """An entry that is not a valid schedule: corrupt, incomplete, or written by a newer version."""

    schedule_id: str
    error: str


def _until(rule: Rule, after: datetime, end: datetime, limit: int) -> list[datetime]:
    return list(islice(takewhile(lambda moment: moment <= end, rule.occurrences(after)), limit))


def bind(task: Any, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of a task by name, or raise InvalidSchedule, before the schedule fires."""
    try:
        bound = inspect.signature(task.run).bind(*args, **kwargs).arguments
        json.dumps(bound)
    except (TypeError, ValueError) as error:
        raise InvalidSchedule("kwargs", str(error)) from None
    return dict(bound)


def outdated(app: Any, schedule: Definition) -> str:
    """Return why the task of a schedule can no longer run, or an empty string."""
    if schedule.task not in app.tasks:
        return f"there is no task {schedule.task!r} any more; delete this schedule, or bring the task back"
    try:
        bind(app.tasks[schedule.task], (), schedule.arguments)
    except InvalidSchedule as error:
        return f"task {schedule.task!r} takes other arguments now ({error.message}); delete this schedule"
    return ""


def following(rule: Rule, after: datetime) -> list[datetime]:
    """Return the next times at which a rule fires: at least one, unless it has ended; raise TooSlow."""
    with cpu_limit(SEARCH):
        first = rule.next_after(after)
    return [first, *upcoming(rule, first)] if first else []


def upcoming(rule: Rule, after: datetime, known: Iterable[datetime] = (), seconds: float = BRIEFLY) -> list[datetime]:
    """Return the next times at which a rule fires, at most KNOWN of them.

    known: times that were found before. seconds: limit of CPU time for finding the others.
    """
    found = [moment for moment in known if moment > after][:KNOWN]
    if len(found) < KNOWN and seconds > 0:
        with suppress(TooSlow), cpu_limit(seconds):
            for moment in islice(rule.occurrences(found[-1] if found else after), KNOWN - len(found)):
                found.append(moment)
    return found
