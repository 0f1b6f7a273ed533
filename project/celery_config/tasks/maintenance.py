"""Backups, and what keeps the stack from growing; one at a time, in a consumer of their own."""

import ftplib
import ssl
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from project.celery_config.task import shared_task
from project.integrations.backups import archives, ftp_mirror, manifest
from project.integrations.backups.retention import Keep
from project.settings import Settings, get_settings
from project.task_options.progress import report_progress
from project.task_options.retry import ALWAYS

HOUR = 3600  # seconds
FINAL = (archives.BackupError, ftplib.error_perm, ssl.SSLCertVerificationError)
AcceptShrink = Annotated[bool, Field(description="Also if nearly all of the last backup is gone")]
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
    """Back up the database; then delete the backups that need not be kept.

    Fails when nearly all rows of the last backup are gone, unless *accept_shrink* says that they may be.
    """
    settings = get_settings()
    url = settings.database
    guard = manifest.guard(settings.backups, "database", accept_shrink)
    from project.integrations.backups import database_dump  # noqa: PLC0415 - only what runs needs SQLAlchemy: 18 MiB per process

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
    """Fetch what is new on the FTP server and pack all of it; then delete the backups that need not be kept.

    Fails when nearly all files of the last backup are gone, unless *accept_shrink* says that they may be.
    """
    settings = get_settings()
    if not settings.ftp_host:
        raise archives.BackupError("FTP_HOST is empty: there is nothing to back up")
    guard = manifest.guard(settings.backups, "ftp", accept_shrink)
    fill = partial(ftp_mirror.write, settings, report=report_progress, guard=guard)
    return archives.make(settings.backups, "ftp", ".tar.gz", fill, _keep(settings))


@shared_task(route="verify_backup", queue="maintenance", soft_time_limit=HOUR, time_limit=HOUR + 60)
def verify_backup(name: ArchiveName) -> dict[str, Any]:
    """Read a backup again and compare it with its SHA-256; fails when it is not what was written."""
    backup = archives.verify(get_settings().backups, name)
    return {"name": name, "bytes": backup.path.stat().st_size, "made_at": f"{backup.moment:%Y-%m-%dT%H:%M:%SZ}"}


# not longer: it may wait for those who use the tables, and all other jobs of the queue wait for it
@shared_task(queue="maintenance", soft_time_limit=HOUR, time_limit=HOUR + 60)
def restore_database(name: ArchiveName) -> dict[str, Any]:
    """Put a backup in the place of the database (without a route: it throws away what was written since)."""
    from project.integrations.backups import database_dump  # noqa: PLC0415 - as above

    return database_dump.restore(get_settings(), name, report_progress)


def _keep(settings: Settings) -> Keep:
    return Keep(settings.backup_keep_last, settings.backup_keep_daily, settings.backup_keep_weekly)
