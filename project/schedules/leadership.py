"""Which of several schedulers fires: the one that holds a lock in Redis, looked at in every tick."""

from typing import Any

from redis import Redis
from redis.exceptions import LockError, LockNotOwnedError

KEY = "schedules::lock"
LIFETIME = 5  # seconds after which a dead leader is missed: longer than one round of firing takes


class Leadership:
    """A claim that runs out by itself when its holder dies, and that others try for without waiting."""

    def __init__(self, client: Redis) -> None:
        self._lock: Any = client.lock(KEY, timeout=LIFETIME, blocking=False, thread_local=False)
        self.held = False

    def claim(self) -> bool:
        """Renew the claim, or make it if nobody has one; tell whether it is ours."""
        try:
            self.held = bool(self._lock.reacquire() if self.held else self._lock.acquire())
        except LockNotOwnedError:
            self.held = False  # paused for longer than the claim lasts: another may have fired since
        return self.held

    def give_up(self) -> None:
        """Let another scheduler lead at once."""
        if self.held:
            self.held = False
            try:
                self._lock.release()
            except LockError:
                return
