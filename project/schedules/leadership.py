"""Leader election among schedulers: the leader holds a lock in Redis, which it renews in every tick."""

from typing import Any

from redis import Redis
from redis.exceptions import LockError, LockNotOwnedError, ResponseError

from project.leased_transport.scripts import is_damage

KEY = "schedules::lock"
LIFETIME = 5  # seconds after which the lock of a crashed leader expires: longer than one round of firing takes


class Leadership:
    """A lock that expires when its holder crashes; others try to acquire it without blocking."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._lock: Any = client.lock(KEY, timeout=LIFETIME, blocking=False, thread_local=False)
        self.held = False

    def claim(self) -> bool:
        """Renew the lock, or acquire it if it is free; tell whether this scheduler holds it."""
        try:
            self.held = bool(self._lock.reacquire() if self.held else self._lock.acquire())
        except LockNotOwnedError:
            self.held = False  # this process was paused for longer than the lock lasts: another may have fired since
        except ResponseError as error:
            if not is_damage(error):
                raise
            self.held = False
        if not self.held:
            self._client.expire(KEY, LIFETIME, lt=True)  # another program may have overwritten it for longer
        return self.held

    def give_up(self) -> None:
        """Let another scheduler lead at once."""
        if self.held:
            self.held = False
            try:
                self._lock.release()
            except LockError:
                return
