"""Update a mirror of the files on an FTP server, and pack it into an archive.

Files that have the listed size and time are complete, and are not fetched again. A partial file is kept under another
name, and its download resumes. No file uses more space than its listed size.
"""

import errno
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from project.integrations.backups import ftp, manifest
from project.integrations.backups.archives import Report
from project.integrations.backups.ftp_fetch import Progress, fetch
from project.integrations.backups.ftp_listing import ENCODING, File, LeftOut, Listing, Unavailable, as_text, is_name
from project.integrations.backups.manifest import Content, Guard
from project.settings import Settings

NAMES = 20  # file names in the result; the manifest has all
FETCHING = 0.9  # the share of fetching in the progress; the rest is packing
# the local disk cannot store a file with this name, or not beside the others
CANNOT_STORE = (
    errno.EEXIST,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
)


def write(settings: Settings, path: Path, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
    """Update the mirror in the folder of *path*, and write it to *path* as a tar.gz, with a manifest beside it.

    *guard* gets the content of the archive before anything is removed, and may refuse the backup.
    """
    mirror = Mirror(path.parent / "ftp")
    result = mirror.update(settings, lambda fraction, text: report(FETCHING * fraction, text), guard)
    content = mirror.pack(path, lambda fraction, text: report(FETCHING + (1 - FETCHING) * fraction, text))
    guard(content)
    manifest.write(path, {"content": content, "left_out": mirror.left_out, "truncated": mirror.truncated})
    return result


class Mirror:
    """A mirror: complete files are in `files`, partial ones in `halves`.

    After an update, *left_out* has the files that are missing or outdated, and *truncated* the incomplete ones, both
    with the reasons.
    """

    def __init__(self, folder: Path) -> None:
        self.files, self._halves = folder / "files", folder / "halves"
        self.left_out: LeftOut = {}
        self.truncated: LeftOut = {}
        for each in (self.files, self._halves):
            each.mkdir(parents=True, exist_ok=True)

    def update(self, settings: Settings, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
        """Fetch new and changed files, and remove deleted ones; return counts, and the names of incomplete files.

        If the server refuses a file, it is left out, and its previous copy stays.
        """
        left_out: LeftOut = {}
        truncated: LeftOut = {}
        with ftp.connected(settings) as client:
            listing = Listing(client, partial(ftp.connect, client, settings))
            files = list(self._fitting(listing.files(), left_out))
            left_out |= listing.left_out
            self._prune(files, left_out, guard)
            missing = [file for file in files if not self._is_complete(file)]
            for file, progress in _with_progress(missing, report):
                try:
                    half = self._half(file)
                    longer = fetch(client, settings, file, half, progress)
                    self._store(half, file, longer)
                except Unavailable as error:
                    left_out[file.path] = str(error)
                else:
                    if longer:
                        truncated[file.path] = (
                            f"it is longer than listed: only the first {file.size} bytes were fetched"
                        )
        shutil.rmtree(self._halves)  # the remaining halves are of deleted or changed files
        self.left_out, self.truncated = _readable(left_out), _readable(truncated)
        fetched = sum(file.path not in left_out for file in missing)
        return {"files": len(files), "fetched": fetched} | _summary(left_out=self.left_out, truncated=self.truncated)

    def pack(self, path: Path, report: Report) -> Content:
        """Write all files into a tar.gz; return their number and their total size in bytes."""
        paths = sorted(each for each in self.files.rglob("*") if each.is_file())
        with tarfile.open(path, "w:gz", compresslevel=6) as tar:
            for number, each in enumerate(paths):
                report(number / len(paths), f"packing file {number + 1} of {len(paths)}")
                tar.add(each, each.relative_to(self.files))
        report(1, f"packed {len(paths)} files")
        return {"files": len(paths), "bytes": sum(each.stat().st_size for each in paths)}

    def _local(self, path: str) -> Path:
        """Return the local path of a file on the server; the name keeps its raw bytes."""
        return self.files / os.fsdecode(path.encode(ENCODING))

    def _half(self, file: File) -> Path:
        """Return the path of a partial file; its name depends on size and time, so other versions have other paths."""
        return self._halves / hashlib.sha256(repr(file).encode()).hexdigest()

    def _fitting(self, files: list[File], left_out: LeftOut) -> Iterator[File]:
        """Yield the files that fit on the local disk; add the others to *left_out*."""
        free = shutil.disk_usage(self.files).free
        for file in files:
            if not self._fits(file.path):
                left_out[file.path] = "its name is too long for the local disk"
            elif file.size > free:
                left_out[file.path] = f"it is listed with {file.size} bytes, but only {free} are free on the local disk"
            else:
                yield file

    def _fits(self, path: str) -> bool:
        """Tell whether a path and all names in it are short enough for the local disk."""
        longest, longest_path = (os.pathconf(self.files, limit) for limit in ("PC_NAME_MAX", "PC_PATH_MAX"))
        whole = len(os.fsencode(self._local(path)))
        return max(map(len, path.split("/"))) <= longest and whole < longest_path  # the limit includes the final NUL

    def _is_complete(self, file: File) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = self._local(file.path).stat()
            return (found.st_size, int(found.st_mtime)) == (file.size, file.modified)
        return False

    def _prune(self, files: list[File], left_out: LeftOut, guard: Guard) -> None:
        """Remove files that are neither listed nor left out (directly or by their folder), and empty folders."""
        listed = {self._local(file.path): file.size for file in files}
        kept = {self._local(path) for path in left_out if is_name(path.rpartition("/")[2])}
        here = [Path(folder, name) for folder, _, names in os.walk(self.files) for name in names]
        stays = {path: path.stat().st_size for path in here if not kept.isdisjoint({path, *path.parents})} | listed
        guard({"files": len(stays), "bytes": sum(stays.values())})
        for path in here:
            if path not in stays:
                path.unlink()
        for folder, folders, _ in os.walk(self.files, topdown=False):
            for name in folders:
                with suppress(OSError):  # not empty
                    Path(folder, name).rmdir()

    def _store(self, half: Path, file: File, truncated: bool) -> None:
        """Move a fetched file to its final path; give a truncated one another time, so that it is fetched again."""
        modified = file.modified - truncated
        os.utime(half, (modified, modified))
        target = self._local(file.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(half, target)
        except OSError as error:
            if error.errno not in CANNOT_STORE:
                raise
            raise Unavailable(f"the local disk cannot store it: {error.strerror}") from None


def _readable(paths: LeftOut) -> LeftOut:
    return {as_text(path): reason for path, reason in sorted(paths.items())}


def _summary(**paths: LeftOut) -> dict[str, Any]:
    """Return the number of paths of each kind, and the first names, for the result."""
    summary: dict[str, Any] = {}
    for kind, found in paths.items():
        summary |= {kind: len(found), f"{kind}_names": list(found)[:NAMES]}
    return summary


def _with_progress(files: list[File], report: Report) -> Iterator[tuple[File, Progress]]:
    """Yield each file with a function that reports the number of its fetched bytes."""
    total, before = sum(file.size for file in files) or 1, 0
    for number, file in enumerate(files, 1):
        yield file, partial(_report, report, total, before, f"file {number} of {len(files)}: {as_text(file.path)}")
        before += file.size


def _report(report: Report, total: int, before: int, text: str, size: int) -> None:
    report(min((before + size) / total, 1), text)
