"""The scheduler that `celery beat` runs. Any number of them can run; the one that leads fires.

It submits a job first, with an id made of the schedule and its time, which is admitted only once; then it moves the
schedule on. So a scheduler that dies in between skips no time, and two that overlap fire no time twice.
"""

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery import beat
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from project.leased_transport import JobExists, QueueFull
from project.leased_transport.scripts import is_damage
from project.schedules import leader_heartbeat
from project.schedules.leadership import Leadership
from project.schedules.periodic import PeriodicJobs
from project.schedules.schedule import InvalidEntry, Schedule, outdated
from project.schedules.store import Entry, Store
from project.settings import get_settings

BATCH = 500  # schedules that are read in one round trip
ROUND = 1.0  # seconds after which the lock is renewed, even if more schedules are due
REPAIR = 5.0  # seconds between two checks for damage in Redis
POSTPONED = 60.0  # seconds until an invalid entry is checked again
HEARTBEAT = 1.0  # seconds between two heartbeats
PERIODIC = "periodic"  # the header of jobs of periodic schedules; project/worker/job_log.py reads it
REFRESH = 1.0  # seconds between two reads of the announced tasks

log = logging.getLogger(__name__)


class Scheduler(beat.Scheduler):
    """Fire the schedules in Redis; survive outages of Redis; touch RUN_DIR/scheduler.alive at every tick."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._store = Store(app)
        self._periodic = PeriodicJobs(app, self._store)
        self._leadership = Leadership(self._store.client)
        self._repair_at = self._heartbeat_at = self._refresh_at = 0.0
        self._skip_missed = False
        self._reported: dict[str, str] = {}

    def setup_schedule(self) -> None:
        """Do nothing yet: the scheduler that leads writes the periodic jobs."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Fire what is due if this scheduler leads; return the seconds to sleep until the next tick."""
        (get_settings().run_dir / "scheduler.alive").touch()
        try:
            if not self._leads():
                return float(self.max_interval)
            self._refresh_announced_tasks()
            self._repair()
            wait = self._fire_due()
            self._write_heartbeat()
            return wait
        except (RedisError, OperationalError) as error:
            self._repair_at = 0.0  # Redis may come back without some keys
            log.warning("Redis does not respond, retrying in %s s: %r", self.max_interval, error)
            return float(self.max_interval)

    def _leads(self) -> bool:
        led = self._leadership.held
        if self._leadership.claim() and not led:
            log.info("this scheduler leads")
            self._repair_at = 0.0
            # a heartbeat of the previous leader means that it led until a moment ago: then hardly anything was missed
            self._skip_missed = not leader_heartbeat.exists(self._store.client)
        elif led and not self._leadership.held:
            log.warning("another scheduler leads now")
        return self._leadership.held

    def _repair(self) -> None:
        """Restore the stack's own schedules and indexes that Redis has lost."""
        if time.monotonic() < self._repair_at:
            return
        for renamed in self._store.repair_indexes():
            log.error("another program wrote to a key of the scheduler; the value was moved to %s", renamed)
        self._periodic.keep(skip_missed=self._skip_missed)
        self._skip_missed = False
        self._repair_at = time.monotonic() + REPAIR

    def _refresh_announced_tasks(self) -> None:
        """Read the announced tasks before firing: a schedule of an unknown task would miss its time."""
        if time.monotonic() >= self._refresh_at:
            self.app.announced.refresh(self.app.broker.redis)
            self._refresh_at = time.monotonic() + REFRESH

    def _write_heartbeat(self) -> None:
        if time.monotonic() >= self._heartbeat_at:
            leader_heartbeat.write(self._store.client, self._periodic.errors)
            self._heartbeat_at = time.monotonic() + HEARTBEAT

    def _fire_due(self) -> float:
        end, waiting, full = time.monotonic() + ROUND, 0, set[str]()
        while due := self._store.due(time.time(), waiting, BATCH):
            for entry in sorted(due, key=_needs_a_search):
                waiting += not self._fire_if_there_is_room(entry, full)
                if time.monotonic() > end:
                    return 0
            if len(due) < BATCH:
                break
        following = None if full else self._store.next_time()
        wait = self.max_interval if following is None else following - time.time()
        return float(max(0, min(wait, self.max_interval)))

    def _fire_if_there_is_room(self, entry: Entry, full: set[str]) -> bool:
        """Fire a schedule and return True; return False if its queue is full: schedules of other queues still fire."""
        if isinstance(entry, InvalidEntry):
            self._postpone(entry.schedule_id, entry.error)
            return True
        queue = getattr(self.app.tasks.get(entry.task), "queue_name", "")
        if queue not in full:
            try:
                self._fire(entry)
            except QueueFull as error:
                log.warning("schedule %s has to wait: %s", entry.schedule_id, error)
                full.add(queue)
            except (RedisError, OperationalError) as error:
                if not is_damage(error):
                    raise
                self._postpone(entry.schedule_id, f"a key in Redis is damaged: {error}")
            except Exception as error:  # a rule and the apply_async of a task may raise anything
                self._postpone(entry.schedule_id, f"{type(error).__name__}: {error}")
        return queue not in full

    def _postpone(self, schedule_id: str, reason: str) -> None:
        """Check an invalid entry less often, so that it does not hold up the others."""
        self._report(schedule_id, reason)
        self._store.postpone(schedule_id, POSTPONED)

    def _report(self, schedule_id: str, reason: str) -> None:
        """Log once per reason why an entry cannot fire."""
        if self._reported.get(schedule_id) != reason:
            self._reported[schedule_id] = reason
            log.error("schedule_id=%s cannot fire: %s", schedule_id, reason)

    def _fire(self, schedule: Schedule) -> None:
        moments, coming = schedule.due(datetime.now(UTC))
        jobs = [schedule.job_id(moment) for moment in moments]
        if reason := outdated(self.app, schedule):
            self._report(schedule.schedule_id, reason)
            jobs = []
        is_periodic = schedule.schedule_id in self.app.conf.beat_schedule
        options = {"headers": {PERIODIC: True}} if is_periodic else {}
        for job_id in jobs:
            with suppress(JobExists):  # submitted by a scheduler that has crashed since
                self.app.tasks[schedule.task].apply_async(kwargs=schedule.arguments, task_id=job_id, **options)
        if self._store.advance(schedule, coming, moments if jobs else [], jobs) and jobs:
            level = logging.DEBUG if is_periodic else logging.INFO
            ids = ",".join(jobs)
            log.log(level, "schedule_id=%s fired task=%s job_ids=%s", schedule.schedule_id, schedule.task, ids)

    def close(self) -> None:
        """Let another scheduler lead at once."""
        with suppress(RedisError):
            if self._leadership.held:
                leader_heartbeat.end(self._store.client)
            self._leadership.give_up()
        super().close()


def _needs_a_search(entry: Entry) -> bool:
    """Tell whether the time after the next one must be searched for, which is slow: such schedules fire last."""
    return isinstance(entry, Schedule) and entry.rule.kind in ("rrule", "cron") and not entry.later
