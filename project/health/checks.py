"""Run all health checks concurrently, for `/producer/health/ready?deep=1` and `make doctor`."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread

from project.brokers import broker_for
from project.check import Check
from project.health import (
    announced_check,
    database_check,
    given_up,
    keys_check,
    memory_check,
    queue_check,
    redis_check,
    scheduler_check,
    services_check,
)
from project.integrations import webhook
from project.integrations.backups import archives, ftp, postgres_dump
from project.integrations.mail import imap, sending
from project.settings import Settings

Function = Callable[[Settings], Check]

LIMIT = 9.0  # seconds for all checks together: less than the deep probe waits

CHECKS: dict[str, Function] = {
    "broker": lambda settings: broker_for(settings).check(),
    "Redis": redis_check.check,
    "memory": memory_check.check,
    "keys": keys_check.check,
    "queues": queue_check.check,
    "tasks": announced_check.check,
    "given up": given_up.check,
    "scheduler": scheduler_check.check,
    **{name: partial(services_check.check, name) for name in services_check.PATHS},
    "database": database_check.check,
    "SMTP": sending.check,
    "IMAP": imap.check,
    "webhook": webhook.check,
    "pg_dump": postgres_dump.check,
    "FTP": ftp.check,
}
#: Only the process that makes backups has their folder; in containers that is consumer-maintenance, not the producer.
WITH_BACKUPS = CHECKS | {"backups": archives.check}
_unfinished: dict[Function, "_Running"] = {}


def run_checks(settings: Settings, checks: Mapping[str, Function] = CHECKS) -> list[Check]:
    """Return the findings of the checks; a check that is broken, or not done within LIMIT seconds, is a finding too."""
    end = time.monotonic() + LIMIT
    running = [_start(name, check, settings) for name, check in checks.items()]
    for each in running:
        each.join(max(0.0, end - time.monotonic()))
    return [each.found or _late(each.name) for each in running]


class _Running(Thread):
    """A check in a daemon thread, which does not keep the process from ending."""

    def __init__(self, name: str, check: Function, settings: Settings) -> None:
        super().__init__(name=name, daemon=True)
        self._check, self._settings = check, settings
        self.found: Check | None = None

    def run(self) -> None:
        """Run the check."""
        try:
            self.found = self._check(self._settings)
        except Exception as error:  # only the type: its text may contain a URL with a password
            found = f"the check itself failed: {type(error).__name__}"
            self.found = Check(self.name, "failed", found, "report it, with the log")
        finally:
            _unfinished.pop(self._check, None)


def _start(name: str, check: Function, settings: Settings) -> _Running:
    """Start a check, unless it is still running for an earlier caller: probes must not pile up threads."""
    if running := _unfinished.get(check):
        return running
    running = _unfinished[check] = _Running(name, check, settings)
    running.start()
    return running


def _late(name: str) -> Check:
    cure = "check whether the server that it asks answers slowly, or sends without end"
    return Check(name, "failed", f"no finding within {LIMIT:g} s", cure)
