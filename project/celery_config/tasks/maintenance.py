"""Back up, restore and delete old data, one job at a time, in a consumer of their own."""

import ftplib
import ssl
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from celery import current_app
from pydantic import Field

from project.celery_config.task import shared_task
from project.integrations.backups import archives, ftp_mirror, manifest
from project.integrations.backups.retention import Keep
from project.leased_transport import keys
from project.schedules.store import DUE, INDEX, PAUSED, Store, as_stored
from project.settings import Settings, get_settings
from project.task_options.progress import report_progress
from project.task_options.retry import ALWAYS, ONCE

HOUR = 3600  # seconds
BATCH = 1000  # members of an index that are checked in one round trip
FINAL = (archives.BackupError, ftplib.error_perm, ssl.SSLCertVerificationError)
AcceptShrink = Annotated[bool, Field(description="Accept a backup with less than a tenth of the last one's content")]
ArchiveName = Annotated[str, Field(pattern=archives.PATTERN, examples=["database-20261121T030000Z.sqlite3"])]


@shared_task(
    route="backup_database",
    queue="maintenance",
    retry_policy=ALWAYS,
    final_errors=FINAL,
    soft_time_limit=4 * HOUR,
    time_limit=4 * HOUR + 60,
)
def backup_database(accept_shrink: AcceptShrink = False) -> dict[str, Any]:
    """Back up the database, then delete old backups.

    Fail if there are fewer than a tenth of the last backup's rows, unless *accept_shrink* is set.
    """
    settings = get_settings()
    url = settings.database
    guard = manifest.guard(settings.backups, "database", accept_shrink)
    from project.integrations.backups import database_dump  # noqa: PLC0415 - SQLAlchemy takes 18 MiB per process

    fill = partial(database_dump.write, url, report=report_progress, guard=guard)
    return archives.make(settings.backups, "database", database_dump.suffix(url), fill, _keep(settings))


@shared_task(
    route="backup_ftp",
    queue="maintenance",
    retry_policy=ALWAYS,
    final_errors=FINAL,
    soft_time_limit=12 * HOUR,
    time_limit=12 * HOUR + 60,
)
def backup_ftp(accept_shrink: AcceptShrink = False) -> dict[str, Any]:
    """Fetch new files from the FTP server and archive all files, then delete old backups.

    Fail if there is less than a tenth of the last backup's files or bytes, unless *accept_shrink* is set.
    """
    settings = get_settings()
    if not settings.ftp_host:
        raise archives.BackupError("FTP_HOST is empty: set it to the server to back up")
    guard = manifest.guard(settings.backups, "ftp", accept_shrink)
    fill = partial(ftp_mirror.write, settings, report=report_progress, guard=guard)
    return archives.make(settings.backups, "ftp", ".tar.gz", fill, _keep(settings))


@shared_task(route="verify_backup", queue="maintenance", soft_time_limit=HOUR, time_limit=HOUR + 60)
def verify_backup(name: ArchiveName) -> dict[str, Any]:
    """Compare a backup with its SHA-256 (fails if it has changed)."""
    backup = archives.verify(get_settings().backups, name)
    return {"name": name, "bytes": backup.path.stat().st_size, "made_at": f"{backup.moment:%Y-%m-%dT%H:%M:%SZ}"}


# not longer: it may wait for locks on tables, and all other jobs of the queue wait for it
@shared_task(queue="maintenance", soft_time_limit=HOUR, time_limit=HOUR + 60)
def restore_database(name: ArchiveName) -> dict[str, Any]:
    """Replace the database with a backup (no route, because it discards everything written since)."""
    from project.integrations.backups import database_dump  # noqa: PLC0415 - as above

    return database_dump.restore(get_settings(), name, report_progress)


@shared_task(queue="maintenance", retry_policy=ONCE)
def purge_records() -> dict[str, int]:
    """Delete old rows of the database, and remove expired entries from the indexes.

    Also put schedules back that have lost their place in an index.
    """
    store, settings = Store(current_app), get_settings()
    # the indexes first: they must not grow while the database is unavailable
    jobs = _forget_gone(store.client, keys.RECENT, keys.job)
    schedules = _forget_gone(store.client, INDEX, str)
    _forget_gone(store.client, DUE, str)  # they would count towards SCHEDULE_LIMIT until they are due
    if paused := _without_key(store.client, list(store.client.smembers(PAUSED)), str):
        store.client.srem(PAUSED, *paused)
    store.complete_indexes()
    from project.integrations.database import history  # noqa: PLC0415 - SQLAlchemy, as above

    before = datetime.now(UTC) - timedelta(seconds=settings.records_ttl)
    return {"rows": history.purge(settings.database, before), "jobs": jobs, "schedules": schedules}


def _keep(settings: Settings) -> Keep:
    return Keep(settings.backup_keep_last, settings.backup_keep_daily, settings.backup_keep_weekly)


def _forget_gone(client: Any, index: str, key_of: Any) -> int:
    """Remove the members of a sorted set that have no key any more; return their number."""
    gone = []
    for first in range(0, client.zcard(index), BATCH):
        gone += _without_key(client, client.zrange(index, first, first + BATCH - 1), key_of)
    return client.zrem(index, *gone) if gone else 0


def _without_key(client: Any, members: list[str], key_of: Any) -> list[bytes]:
    pipe = client.pipeline(transaction=False)
    for member in members:
        pipe.exists(as_stored(key_of(member)))
    return [as_stored(member) for member, there in zip(members, pipe.execute(), strict=True) if not there]
