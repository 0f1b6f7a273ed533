"""Make and verify dated archives in one folder: `database-20261121T030000Z.dump`, with its SHA-256 in another file.

An archive gets its final name only when it and its checksum are complete and on disk. So a file with that name is
always a whole archive. `sha256sum --check` can read the checksum files.
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

from project.check import Check
from project.integrations.backups.retention import Keep, kept
from project.settings import Settings

Kind = Literal["database", "ftp"]
Report = Callable[[float, str], None]
# writes an archive to a path, optionally with a manifest beside it; returns further fields for the result
Fill = Callable[[Path], dict[str, Any]]

# no named groups: clients get this pattern, and JavaScript has another syntax for them
PATTERN = r"^(database|ftp)-([0-9]{8}T[0-9]{6}Z)\.(dump|sqlite3|tar\.gz)$"
MOMENT = "%Y%m%dT%H%M%SZ"
SUM = ".sha256"
MANIFEST = ".json"
UNFINISHED = ".unfinished-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BackupError(Exception):
    """A backup or restore failed; an immediate retry would not help."""


class AlreadyRunning(BackupError):
    """Another backup or restore of this kind is running, here or in another consumer."""


class BrokenBackup(BackupError):
    """There is no such archive, or its content has changed."""


class FolderFull(BackupError):
    """The disk has no room for the archive; the partial archive was removed."""


@dataclass(frozen=True)
class Backup:
    """An archive in the folder."""

    path: Path

    @property
    def moment(self) -> datetime:
        """Return the time of the backup."""
        parsed = parse(self.path.name)
        assert parsed
        return parsed[1]

    @property
    def sum_path(self) -> Path:
        """Return the path of its checksum."""
        return self.path.with_name(self.path.name + SUM)

    @property
    def manifest_path(self) -> Path:
        """Return the path of its manifest, if it has one."""
        return self.path.with_name(self.path.name + MANIFEST)


def parse(name: str) -> tuple[str, datetime] | None:
    """Return the kind and the time in the name of an archive, or None if it is the name of something else."""
    if match := re.fullmatch(PATTERN, name):
        with suppress(ValueError):  # there is no such day
            return match[1], datetime.strptime(match[2], MOMENT).replace(tzinfo=UTC)
    return None


def make(folder: Path, kind: Kind, suffix: str, fill: Fill, keep: Keep) -> dict[str, Any]:
    """Make an archive, then delete old ones; return {name, bytes, sha256, seconds, deleted, not_deleted, …}.

    Raise AlreadyRunning, FolderFull and the errors of *fill*; then no archive was made and none deleted.
    """
    begun = time.monotonic()
    with alone(folder, kind), _room(folder):
        _remove_leftovers(folder, kind)
        path = _free_name(folder, kind, suffix)
        unfinished = folder / f"{UNFINISHED}{path.name}"
        try:
            result = fill(unfinished)
            result |= {"name": path.name, "bytes": unfinished.stat().st_size, "sha256": _publish(unfinished, path)}
        finally:
            _remove_leftovers(folder, kind)
        result |= _delete_old(folder, kind, keep)
    return result | {"seconds": round(time.monotonic() - begun, 1)}


def verify(folder: Path, name: str) -> Backup:
    """Return the archive with this name if its checksum matches, or raise BrokenBackup."""
    if parse(name) is None:  # reject paths: the name comes from a client
        raise BrokenBackup("invalid name; backups have names such as database-20261121T030000Z.dump")
    backup = Backup(folder / name)
    try:
        said = backup.sum_path.read_bytes()
        found = _sum(backup.path)
    except FileNotFoundError as error:
        raise BrokenBackup(f"there is no {Path(error.filename).name} in the backup folder") from None
    if said.replace(b"\r\n", b"\n") != _sum_line(found, name).encode():
        raise BrokenBackup(f"{name} is broken: its SHA-256 is not the one in {backup.sum_path.name}")
    return backup


def all_of(folder: Path, kind: Kind) -> list[Backup]:
    """Return the archives of a kind, newest first; files without a checksum do not count."""
    parsed = [(path, parse(path.name)) for path in folder.iterdir()]
    backups = [Backup(path) for path, found in parsed if found and found[0] == kind and path.is_file()]
    return sorted((each for each in backups if each.sum_path.exists()), key=lambda each: each.moment, reverse=True)


def check(settings: Settings) -> Check:
    """Check that the folder has room for another backup, and name the newest backups."""
    folder = settings.backups
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        cure = f"make it writable for user {os.geteuid()}, or set BACKUP_FOLDER"
        return Check("backups", "failed", f"{existing} is not writable", cure)
    free = shutil.disk_usage(existing).free
    newest = [backup for kind in get_args(Kind) for backup in (all_of(folder, kind)[:1] if folder.exists() else [])]
    found = f"{folder}: {free / 1e9:.1f} GB free; {', '.join(each.path.name for each in newest) or 'no backups yet'}"
    if any(each.path.stat().st_size > free for each in newest):
        return Check("backups", "failed", f"{found}: no room for another backup", "make room, or set BACKUP_FOLDER")
    return Check("backups", "ok", found)


@contextmanager
def alone(folder: Path, kind: Kind) -> Iterator[None]:
    """Hold the lock of a kind, or raise AlreadyRunning; the kernel releases it if this process is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{kind}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another job is backing up or restoring the {kind}; try again when it has ended"
            ) from None
        yield


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise FolderFull(f"no room in {folder}: {error.strerror}; make room, or set BACKUP_FOLDER") from error


def _free_name(folder: Path, kind: Kind, suffix: str) -> Path:
    moment = datetime.now(UTC)
    while (path := folder / f"{kind}-{moment:{MOMENT}}{suffix}").exists():
        moment += timedelta(seconds=1)
    return path


def _publish(unfinished: Path, path: Path) -> str:
    """Give a complete archive its final name, as the last step; return its checksum."""
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


def _delete_old(folder: Path, kind: Kind, keep: Keep) -> dict[str, list[str]]:
    backups = all_of(folder, kind)
    keepers = kept([backup.moment for backup in backups], keep)
    deleted, not_deleted = list[str](), list[str]()
    for backup in backups:
        if backup.moment in keepers:
            continue
        try:
            for path in (backup.path, backup.sum_path, backup.manifest_path):
                path.unlink(missing_ok=True)
            deleted.append(backup.path.name)
        except OSError:  # a retry of the job would make one archive more each time
            not_deleted.append(backup.path.name)
    return {"deleted": deleted, "not_deleted": not_deleted}


def _remove_leftovers(folder: Path, kind: Kind) -> None:
    """Remove the remains of a killed job: unfinished files, and checksums and manifests without an archive."""
    beside = [*folder.glob(f"{kind}-*{SUM}"), *folder.glob(f"{kind}-*{MANIFEST}")]
    orphans = [path for path in beside if parse(path.stem) and not path.with_suffix("").exists()]
    for path in [*folder.glob(f"{UNFINISHED}{kind}-*"), *orphans]:
        with suppress(OSError):  # it may be gone, or must not be deleted
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
