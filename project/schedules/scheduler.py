"""The scheduler that beat runs: RedBeat's, of which any number can run and one fires."""

import logging
from contextlib import suppress
from typing import Any

from celery.signals import beat_init
from redbeat.schedulers import RedBeatScheduler, acquire_distributed_beat_lock, get_redis
from redis.exceptions import RedisError

from project.schedules.leadership import Leadership
from project.settings import get_settings

# RedBeat waits for its lock while beat starts: without a heartbeat, and for ever if Redis is away just then
beat_init.disconnect(acquire_distributed_beat_lock)

log = logging.getLogger(__name__)


class Scheduler(RedBeatScheduler):
    """RedBeat's scheduler; it survives an outage of Redis, and touches RUN_DIR/scheduler.alive at every tick."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self._redis = get_redis(app)
        self._leadership = Leadership(self._redis, self.lock_key, self.lock_timeout)

    def setup_schedule(self) -> None:
        """Do nothing yet: whoever leads writes the periodic jobs."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due if this scheduler leads; return the seconds to sleep until the next tick."""
        (get_settings().run_dir / "scheduler.alive").touch()
        try:
            return self._run_due() if self._leads() else self.max_interval
        except RedisError as error:
            log.warning("Redis is away, trying again in %s s: %r", self.max_interval, error)
            return float(self.max_interval)

    def _leads(self) -> bool:
        led = self._leadership.held
        if self._leadership.claim() and not led:
            log.info("this scheduler leads")
            super().setup_schedule()
        elif led and not self._leadership.held:
            log.warning("another scheduler leads now")
        return self._leadership.held

    def _run_due(self) -> float:
        waits = [self.maybe_due(entry, **self._maybe_due_kwargs) for entry in self.schedule.values()]
        return float(min([wait for wait in waits if wait] + [self.max_interval]))

    def close(self) -> None:
        """Let another scheduler lead at once."""
        with suppress(RedisError):
            self._leadership.give_up()
        super().close()
