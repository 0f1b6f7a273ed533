"""Jobs for later, in Python: make schedules, look at them, change them."""

import inspect
import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack
from uuid import uuid4

from celery import Celery, Task

from project.broker import JobExists
from project.errors import ScheduleOutdated, UnknownSchedule
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import Rule, make_rule
from project.schedules.schedule import CatchUp, Definition, Schedule
from project.schedules.store import Store


class More(TypedDict, total=False):
    """The rarer wishes for a schedule: other kinds of rules, their time zone, and what happens after an outage."""

    cron: str | None
    every: str | timedelta | None
    timezone: str
    start: datetime | None
    catch_up: CatchUp


class TaskScheduler:
    """The schedules of a Celery app; its methods raise redis' errors while Redis is away."""

    def __init__(self, app: Celery) -> None:
        self._app, self._store = app, Store(app)

    def schedule(
        self,
        func: Task | str,
        description: str,
        args: Any = None,
        kwargs: dict[str, Any] | None = None,
        rrule_string: str | None = None,
        trigger_at: datetime | None = None,
        until: datetime | None = None,
        **more: Unpack[More],
    ) -> str:
        """Run a task (or the one of that name) at set times; return the schedule's id.

        Exactly one of rrule_string, trigger_at, cron and every says when; until ends it. catch_up says what is done
        about times that were missed while no scheduler ran: none, last (of them) or all. Raises InvalidSchedule.
        """
        catch_up: CatchUp = more.get("catch_up", "last")
        task = self._task(func)
        arguments = _bind(task, args or (), kwargs or {})
        when: Any = {name: value for name, value in more.items() if name != "catch_up"}
        now = datetime.now(UTC)
        rule = make_rule(rrule=rrule_string, trigger_at=trigger_at, until=until, now=now, **when)
        return self.add(task.name, arguments, description, rule, catch_up, now)

    def add(
        self,
        task: str,
        arguments: dict[str, Any],
        description: str,
        rule: Rule,
        catch_up: CatchUp,
        now: datetime,
        schedule_id: str | None = None,
        secret: str = "",
    ) -> str:
        """Keep a schedule whose task, arguments and rule were checked; return its id, which can be chosen.

        now: the moment for which the rule was checked; a time that has come since is not left out. With a secret, the
        task is told the id of the schedule too (schedule_id), to ask for the secret when it runs.
        """
        schedule_id = schedule_id or str(uuid4())
        if secret:
            arguments = {**arguments, "schedule_id": schedule_id}
        definition = Definition(
            task=task, arguments=arguments, description=description, rule=rule, catch_up=catch_up, created_at=now
        )
        following = rule.next_after(now)
        assert following  # as it was checked
        self._store.write(schedule_id, definition, following, secret)
        return schedule_id

    def look_up(self, schedule_id: str) -> Schedule:
        """Return a schedule, or raise UnknownSchedule."""
        schedule = self._store.read(schedule_id)
        if schedule is None:
            raise UnknownSchedule
        return schedule

    def page(self, count: int, before: float | None = None) -> tuple[list[Schedule], float | None]:
        """Return schedules, the newest first, and the cursor of the next page (None at the end)."""
        return self._store.page(count, before)

    def pause(self, schedule_id: str) -> Schedule:
        """Let it fire no more until it is resumed; one that has ended stays as it is."""
        if self.look_up(schedule_id).status == "active":
            self._store.pause(schedule_id)
        return self.look_up(schedule_id)

    def resume(self, schedule_id: str) -> Schedule:
        """Let it fire again; what it would have fired meanwhile is not made up for."""
        schedule = self.look_up(schedule_id)
        if schedule.status == "paused":
            following = schedule.rule.next_after(datetime.now(UTC))
            if following is None:
                self._store.advance(schedule, None, [], [])
            else:
                self._store.resume(schedule_id, following)
        return self.look_up(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Forget it, or raise UnknownSchedule; jobs that it has submitted stay."""
        if not self._store.delete(schedule_id):
            raise UnknownSchedule

    def run(self, schedule_id: str, job_id: str | None = None) -> tuple[str, str]:
        """Submit a job now, beside those of the rule; return its task and its id, which can be chosen.

        Raises UnknownSchedule, ScheduleOutdated or QueueFull.
        """
        schedule = self.look_up(schedule_id)
        job_id = job_id or str(uuid4())
        try:
            self._task(schedule.task).apply_async(kwargs=schedule.arguments, task_id=job_id)
        except JobExists:  # the same request, sent to a second producer
            pass
        except (InvalidSchedule, TypeError) as error:
            raise ScheduleOutdated from error
        return schedule.task, job_id

    def _task(self, func: Task | str) -> Any:
        name = func if isinstance(func, str) else func.name
        if name not in self._app.tasks:
            raise InvalidSchedule("task", f"there is no task {name!r}")
        return self._app.tasks[name]


def _bind(task: Any, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments by name, or raise InvalidSchedule: now is better than when it fires."""
    try:
        bound = inspect.signature(task.run).bind(*args, **kwargs).arguments
        json.dumps(bound)
    except (TypeError, ValueError) as error:
        raise InvalidSchedule("kwargs", str(error)) from None
    return dict(bound)
