"""Run all health checks concurrently, for `/producer/health/ready?deep=1` and `make doctor`."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from project.brokers import broker_for
from project.check import Check
from project.health import (
    announced_check,
    database_check,
    given_up,
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

CHECKS: dict[str, Callable[[Settings], Check]] = {
    "broker": lambda settings: broker_for(settings).check(),
    "Redis": redis_check.check,
    "memory": memory_check.check,
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


def run_checks(settings: Settings, checks: Mapping[str, Callable[[Settings], Check]] = CHECKS) -> list[Check]:
    """Return the findings of the checks; each check has a timeout, and a broken check is a finding too."""
    with ThreadPoolExecutor(len(checks)) as threads:
        return list(threads.map(lambda name: _run(name, checks[name], settings), checks))


def _run(name: str, check: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return check(settings)
    except Exception as error:  # only the type: its text may contain a URL with a password
        return Check(name, "failed", f"the check itself failed: {type(error).__name__}", "report it, with the log")
