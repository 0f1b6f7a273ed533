"""The scheduler that beat runs: RedBeat's, of which any number can run and one fires.

RedBeat's own loop moves an entry on before its job is sent, gives the job a new id and takes the present for the time
that was due: a scheduler that dies in between skips a time, and two that overlap fire one twice. Here the job comes
first, with an id made of schedule and time, which is admitted once; then the schedule moves on.
"""

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from celery.signals import beat_init
from kombu.exceptions import OperationalError
from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock
from redis.exceptions import RedisError

from project.broker import JobExists, QueueFull
from project.schedules.leadership import Leadership
from project.schedules.periodic import write_periodic_jobs
from project.schedules.schedule import Schedule
from project.schedules.store import Store
from project.settings import get_settings

# RedBeat waits for its lock while beat starts: without a heartbeat, and for ever if Redis is away just then
beat_init.disconnect(acquire_distributed_beat_lock)

BATCH = 500  # schedules that are read in one round trip
ROUND = 1.0  # seconds after which the claim to lead is renewed, however much is due

log = logging.getLogger(__name__)


class Scheduler(RedBeatScheduler):
    """RedBeat's scheduler; it survives an outage of Redis, and touches RUN_DIR/scheduler.alive at every tick."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._store = Store(app)
        self._leadership = Leadership(self._store.client, self.lock_key, self.lock_timeout)

    def setup_schedule(self) -> None:
        """Do nothing yet: whoever leads writes the periodic jobs."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Fire what is due if this scheduler leads; return the seconds to sleep until the next tick."""
        (get_settings().run_dir / "scheduler.alive").touch()
        try:
            return self._fire_due() if self._leads() else float(self.max_interval)
        except (RedisError, OperationalError) as error:
            log.warning("Redis is away, trying again in %s s: %r", self.max_interval, error)
            return float(self.max_interval)

    def _leads(self) -> bool:
        led = self._leadership.held
        if self._leadership.claim() and not led:
            log.info("this scheduler leads")
            write_periodic_jobs(self._store, self.app.conf.beat_schedule, self.app.redbeat_conf.statics_key)
        elif led and not self._leadership.held:
            log.warning("another scheduler leads now")
        return self._leadership.held

    def _fire_due(self) -> float:
        end, waiting, full = time.monotonic() + ROUND, 0, set[str]()
        while due := self._store.due(time.time(), waiting, BATCH):
            for schedule in due:
                waiting += not self._fire_if_there_is_room(schedule, full)
                if time.monotonic() > end:
                    return 0
            if len(due) < BATCH:
                break
        following = None if full else self._store.next_time()
        wait = self.max_interval if following is None else following - time.time()
        return float(max(0, min(wait, self.max_interval)))

    def _fire_if_there_is_room(self, schedule: Schedule, full: set[str]) -> bool:
        """Fire a schedule and return True, unless its queue is full: those of other queues must go on."""
        queue = getattr(self.app.tasks.get(schedule.task), "waits_in", "")
        if queue not in full:
            try:
                self._fire(schedule)
            except QueueFull as error:
                log.warning("schedule %s has to wait: %s", schedule.schedule_id, error)
                full.add(queue)
        return queue not in full

    def _fire(self, schedule: Schedule) -> None:
        moments, following = schedule.due(datetime.now(UTC))
        jobs = [schedule.job_id(moment) for moment in moments]
        try:
            task = self.app.tasks[schedule.task]
            for job_id in jobs:
                with suppress(JobExists):  # a scheduler that has died since had come that far
                    task.apply_async(kwargs=schedule.arguments, task_id=job_id)
        except (TypeError, KeyError) as error:
            # the task is gone or has another signature since: the other schedules must go on
            log.error("schedule_id=%s cannot fire task=%s: %r", schedule.schedule_id, schedule.task, error)
            jobs = []
        if self._store.advance(schedule, following, moments, jobs):
            log.info("schedule_id=%s fired task=%s job_ids=%s", schedule.schedule_id, schedule.task, ",".join(jobs))

    def close(self) -> None:
        """Let another scheduler lead at once."""
        with suppress(RedisError):
            self._leadership.give_up()
        super().close()
