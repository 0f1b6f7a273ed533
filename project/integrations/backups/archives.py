"""Dated archives in one folder: `database-20261121T030000Z.dump`, and its SHA-256 beside it in a file of its own.

An archive gets its name when it and its sum are complete and on the disk: whatever happens before, under that name is a
whole archive or nothing. `sha256sum --check` reads the sums too.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from project.integrations.backups.retention import Keep, kept
from project.integrations.check import Check
from project.settings import Settings

Kind = Literal["database", "ftp"]
Report = Callable[[float, str], None]
# writes an archive to a path, and a manifest beside it if there is one; returns what else there is to tell of it
Fill = Callable[[Path], dict[str, Any]]

# no named groups: clients get this pattern, and JavaScript writes them differently
PATTERN = r"^(database|ftp)-([0-9]{8}T[0-9]{6}Z)\.(dump|sqlite3|tar\.gz)$"
MOMENT = "%Y%m%dT%H%M%SZ"
SUM = ".sha256"
MANIFEST = ".json"
UNFINISHED = ".unfinished-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BackupError(Exception):
    """What went wrong, in words; to try again at once would not help."""


class AlreadyRunning(BackupError):
    """A backup or restore of this kind runs, here or in another consumer."""


class BrokenBackup(BackupError):
    """There is no such archive, or it is not what was written."""


class FolderFull(BackupError):
    """There is no room for the archive; what was written of it is gone."""


@dataclass(frozen=True)
class Backup:
    """An archive in the folder."""

    path: Path

    @property
    def moment(self) -> datetime:
        """Return when it was made."""
        match = re.fullmatch(PATTERN, self.path.name)
        assert match
        return datetime.strptime(match[2], MOMENT).replace(tzinfo=UTC)

    @property
    def sum_path(self) -> Path:
        """Return where its sum is."""
        return self.path.with_name(self.path.name + SUM)

    @property
    def manifest_path(self) -> Path:
        """Return where its manifest is, if it has one."""
        return self.path.with_name(self.path.name + MANIFEST)


def make(folder: Path, kind: Kind, suffix: str, fill: Fill, keep: Keep) -> dict[str, Any]:
    """Make an archive, then delete those that need not be kept; return {name, bytes, sha256, seconds, deleted, …}.

    Raises AlreadyRunning, FolderFull, and what *fill* raises; no new archive is there then, and none was deleted.
    """
    begun = time.monotonic()
    with alone(folder, kind), _room(folder):
        _remove_leftovers(folder, kind)
        path = _free_name(folder, kind, suffix)
        unfinished = folder / f"{UNFINISHED}{path.name}"
        try:
            told = fill(unfinished)
            told |= {"name": path.name, "bytes": unfinished.stat().st_size, "sha256": _publish(unfinished, path)}
        finally:
            _remove_leftovers(folder, kind)
        told["deleted"] = _delete_old(folder, kind, keep)
    return told | {"seconds": round(time.monotonic() - begun, 1)}


def verify(folder: Path, name: str) -> Backup:
    """Return the archive of that name if it is what was written, or raise BrokenBackup."""
    match = re.fullmatch(PATTERN, name)
    if match is None:  # never a path: it comes from a client
        raise BrokenBackup("that is no name of a backup, such as database-20261121T030000Z.dump")
    backup = Backup(folder / name)
    try:
        said = backup.sum_path.read_text()
        found = _sum(backup.path)
    except FileNotFoundError as error:
        raise BrokenBackup(f"there is no {Path(error.filename).name} in the backup folder") from None
    if said != _sum_line(found, name):
        raise BrokenBackup(f"{name} is broken: its SHA-256 is not the one in {backup.sum_path.name}")
    return backup


def all_of(folder: Path, kind: Kind) -> list[Backup]:
    """Return the archives of a kind, the newest first; one without its sum is none."""
    matches = [(path, re.fullmatch(PATTERN, path.name)) for path in folder.iterdir()]
    backups = [Backup(path) for path, match in matches if match and match[1] == kind]
    return sorted((each for each in backups if each.sum_path.exists()), key=lambda each: each.moment, reverse=True)


def check(settings: Settings) -> Check:
    """Tell whether there is room for another backup in the folder, and which is the newest."""
    folder = settings.backups
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        cure = f"give it to user {os.geteuid()}, or set BACKUP_FOLDER"
        return Check("backups", "failed", f"{there} cannot be written to", cure)
    free = shutil.disk_usage(there).free
    newest = [backup for kind in get_args(Kind) for backup in (all_of(folder, kind)[:1] if folder.exists() else [])]
    found = f"{folder}: {free / 1e9:.1f} GB free; {', '.join(each.path.name for each in newest) or 'no backups yet'}"
    if any(each.path.stat().st_size > free for each in newest):
        return Check("backups", "failed", f"{found}: no room for one more", "make room, or set BACKUP_FOLDER")
    return Check("backups", "ok", found)


@contextmanager
def alone(folder: Path, kind: Kind) -> Iterator[None]:
    """Hold the lock of a kind, or raise AlreadyRunning; the kernel lets go of it when this process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{kind}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another job backs up or restores the {kind} at this moment") from None
        yield


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise FolderFull(f"there is no room in {folder}: {error.strerror}") from error


def _free_name(folder: Path, kind: Kind, suffix: str) -> Path:
    moment = datetime.now(UTC)
    while (path := folder / f"{kind}-{moment:{MOMENT}}{suffix}").exists():
        moment += timedelta(seconds=1)
    return path


def _publish(unfinished: Path, path: Path) -> str:
    """Give a complete archive its name, as the last step of all; return its sum."""
    sha256 = _sum(unfinished)
    with unfinished.with_name(unfinished.name + SUM).open("w") as file:
        file.write(_sum_line(sha256, path.name))
    manifest = Backup(unfinished).manifest_path
    for each in (unfinished, Path(file.name), *([manifest] if manifest.exists() else [])):
        _to_disk(each)
    os.replace(file.name, path.with_name(path.name + SUM))
    if manifest.exists():
        os.replace(manifest, Backup(path).manifest_path)
    _to_disk(path.parent)
    os.replace(unfinished, path)
    _to_disk(path.parent)
    return sha256


def _delete_old(folder: Path, kind: Kind, keep: Keep) -> list[str]:
    backups = all_of(folder, kind)
    keepers = kept([backup.moment for backup in backups], keep)
    old = [backup for backup in backups if backup.moment not in keepers]
    for backup in old:
        backup.path.unlink(missing_ok=True)
        backup.sum_path.unlink(missing_ok=True)
        backup.manifest_path.unlink(missing_ok=True)
    return [backup.path.name for backup in old]


def _remove_leftovers(folder: Path, kind: Kind) -> None:
    """Remove what a killed job has left: unfinished files, and sums and manifests without their archive."""
    beside = [*folder.glob(f"{kind}-*{SUM}"), *folder.glob(f"{kind}-*{MANIFEST}")]
    orphans = [path for path in beside if not path.with_suffix("").exists()]
    for path in [*folder.glob(f"{UNFINISHED}{kind}-*"), *orphans]:
        with suppress(FileNotFoundError):
            path.unlink()


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sum_line(sha256: str, name: str) -> str:
    return f"{sha256}  {name}\n"


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
