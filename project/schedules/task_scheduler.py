"""Create, look up and change schedules from Python."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack
from uuid import uuid4

from celery import Celery, Task

from project.errors import ScheduleInvalid, ScheduleOfTheStack, UnknownSchedule
from project.leased_transport import JobExists
from project.schedules.cpu_limit import TooSlow
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule
from project.schedules.schedule import CatchUp, Definition, InvalidEntry, Schedule, bind, following, outdated
from project.schedules.store import Entry, Store, parse, stored
from project.settings import get_settings

#: Makes a context manager that turns errors of an outage into errors of this project.
OutageGuard = Callable[[], AbstractContextManager[None]]


class Options(TypedDict, total=False):
    """Rarer options of a schedule: other kinds of rules, their time zone, and what happens after an outage."""

    cron: str | None
    every: str | timedelta | None
    timezone: str
    start: datetime | None
    catch_up: CatchUp


class TaskScheduler:
    """The schedules of a Celery app.

    available: a context manager for calls of Redis; admission: one for submitting a job. The producer passes those of
    Jobs, which fail fast during an outage. Without them, methods raise the errors of redis-py.
    """

    def __init__(self, app: Celery, available: OutageGuard = nullcontext, admission: OutageGuard = nullcontext) -> None:
        self._app, self._store = app, Store(app)
        self._available, self._admission = available, admission

    def schedule(
        self,
        func: Task | str,
        description: str,
        args: Any = None,
        kwargs: dict[str, Any] | None = None,
        rrule_string: str | None = None,
        trigger_at: datetime | None = None,
        until: datetime | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Schedule a task, given as an object or by its name; return the schedule's id.

        Exactly one of rrule_string, trigger_at, cron and every says when; until ends it. catch_up says which
        of the times missed during an outage are fired: none, last or all. Raises InvalidSchedule.
        """
        catch_up: CatchUp = options.get("catch_up", "last")
        task = self._task(func)
        arguments = bind(task, args or (), kwargs or {})
        when: Any = {name: value for name, value in options.items() if name != "catch_up"}
        now = datetime.now(UTC)
        rule = make_rule(rrule=rrule_string, trigger_at=trigger_at, until=until, now=now, **when)
        draft = self.draft(
            Definition(
                task=task.name,
                arguments=arguments,
                description=description,
                rule=rule,
                catch_up=catch_up,
                created_at=now,
            )
        )
        self.keep(draft)
        return draft.schedule_id

    def draft(self, definition: Definition, schedule_id: str | None = None) -> Schedule:
        """Return the schedule as it will be read back, without storing it; raise InvalidSchedule if it is invalid.

        Its first time is the first after definition.created_at, the time for which the rule was validated.
        """
        coming = following(definition.rule, definition.created_at)
        schedule_id = schedule_id or str(uuid4())
        times = {"next": coming[0], "later": coming[1:]}
        planned = Schedule(**dict(definition), **times, schedule_id=schedule_id, status="active")
        try:
            read_back = parse(schedule_id, stored(planned))
        except (ValueError, OverflowError) as error:
            raise InvalidSchedule("kwargs", f"they cannot be stored as JSON: {error}") from None
        if read_back.arguments != definition.arguments:
            raise InvalidSchedule("kwargs", "they change when they are stored as JSON and read back")
        return read_back

    def keep(self, draft: Schedule, secret: str = "") -> None:
        """Store a schedule; raise TooManySchedules if SCHEDULE_LIMIT are active or paused already.

        With a secret, the task needs a parameter schedule_id, with which it reads the secret when it runs.
        """
        with self._available():
            self._store.write(draft, secret, get_settings().schedule_limit)

    def find(self, schedule_id: str) -> Entry:
        """Return a schedule, even an invalid one; raise UnknownSchedule."""
        with self._available():
            return self._find(schedule_id)

    def look_up(self, schedule_id: str) -> Schedule:
        """Return a schedule; raise UnknownSchedule, or ScheduleInvalid."""
        with self._available():
            return self._usable(schedule_id)

    def page(self, count: int, before: float | None = None) -> tuple[list[Entry], float | None]:
        """Return schedules, the newest first, and the cursor of the next page (None at the end)."""
        with self._available():
            entries, cursor = self._store.page(count, before)
        return [self._with_error(entry) for entry in entries], cursor

    def pause(self, schedule_id: str) -> Schedule:
        """Stop firing it until it is resumed; a schedule that has ended does not change."""
        with self._available():
            if self._usable(schedule_id).status == "active":
                self._store.pause(schedule_id)
            return self._usable(schedule_id)

    def resume(self, schedule_id: str) -> Schedule:
        """Fire it again from now on; times that passed while it was paused are skipped."""
        with self._available():
            schedule = self._usable(schedule_id)
            if schedule.status == "paused":
                self._resume(schedule)
            return self._usable(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Delete it; jobs that it has submitted stay. Raises UnknownSchedule, or ScheduleOfTheStack."""
        with self._available():
            if schedule_id in self._app.conf.beat_schedule:
                raise ScheduleOfTheStack
            if not self._store.delete(schedule_id):
                raise UnknownSchedule

    def run(self, schedule_id: str, job_id: str | None = None) -> tuple[str, str]:
        """Submit a job now, in addition to those of the rule; return its task and its id, which can be chosen.

        Raises UnknownSchedule, ScheduleInvalid or what *admission* raises if the queue is full, else QueueFull.
        """
        job_id = job_id or str(uuid4())
        with self._admission():
            schedule = self._usable(schedule_id)
            if schedule.error:
                raise ScheduleInvalid(schedule.error)
            with suppress(JobExists):  # the same request, sent to a second producer
                self._task(schedule.task).apply_async(kwargs=schedule.arguments, task_id=job_id)
        return schedule.task, job_id

    def _find(self, schedule_id: str) -> Entry:
        entry = self._store.read(schedule_id)
        if entry is None:
            raise UnknownSchedule
        return self._with_error(entry)

    def _usable(self, schedule_id: str) -> Schedule:
        entry = self._find(schedule_id)
        if isinstance(entry, InvalidEntry):
            raise ScheduleInvalid(entry.error)
        return entry

    def _with_error(self, entry: Entry) -> Entry:
        if isinstance(entry, InvalidEntry):
            return entry
        return entry.model_copy(update={"error": outdated(self._app, entry)})

    def _resume(self, schedule: Schedule) -> None:
        try:
            coming = following(schedule.rule, datetime.now(UTC))
        except (TooSlow, ValueError, OverflowError) as error:  # older code accepted other rules
            raise ScheduleInvalid(f"{error}; delete this schedule and make it again") from None
        if coming:
            self._store.resume(schedule.schedule_id, coming)
        else:
            self._store.advance(schedule, [], [], [])

    def _task(self, func: Task | str) -> Any:
        name = func if isinstance(func, str) else func.name
        if name not in self._app.tasks:
            raise InvalidSchedule("task", f"there is no task {name!r}")
        return self._app.tasks[name]
