"""Deep readiness for the producer: the findings of all checks, kept for some seconds."""

import threading
import time

from project.check import Check
from project.settings import Settings


class RecentChecks:
    """The findings of all checks, at most *keep* seconds old, so that frequent probes do not burden what they check."""

    def __init__(self, settings: Settings, keep: float = 5) -> None:
        self._settings, self._keep = settings, keep
        self._lock = threading.Lock()
        self._found: list[Check] = []
        self._until = 0.0

    def __call__(self) -> list[Check]:
        """Return the findings; concurrent callers wait for one run and share it."""
        with self._lock:
            if time.monotonic() >= self._until:
                from project.health import checks  # noqa: PLC0415 - only deep checks need their libraries: 15 MiB

                self._found = checks.run_checks(self._settings)
                self._until = time.monotonic() + self._keep
            return self._found
