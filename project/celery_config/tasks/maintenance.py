"""Back up and restore, one job at a time, in a consumer of their own."""

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

    Fail if there are less than a tenth of the last backup's rows, unless *accept_shrink* is set.
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
    """Replace the database by a backup (no route, because it discards everything written since)."""
    from project.integrations.backups import database_dump  # noqa: PLC0415 - as above

    return database_dump.restore(get_settings(), name, report_progress)


def _keep(settings: Settings) -> Keep:
    return Keep(settings.backup_keep_last, settings.backup_keep_daily, settings.backup_keep_weekly)
