"""A copy of the files on an FTP server, which is brought up to date and packed into an archive.

What is complete is not fetched again: a file is, when it has the size and the time that the server lists. Half a file
is kept under a name of its own, and goes on where it ended. No file takes more room than the server lists for it.
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
from project.integrations.backups.ftp_fetch import Progress, Unavailable, fetch
from project.integrations.backups.ftp_listing import ENCODING, File, LeftOut, Listing, is_name, shown
from project.integrations.backups.manifest import Content, Guard
from project.settings import Settings

TOLD = 20  # names of files in the result; the manifest has all
FETCHING = 0.9  # of the progress; the rest is packing
# the disk here cannot have a file of that name, or not beside the others
NO_PLACE = (errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ENOTEMPTY)


def write(settings: Settings, path: Path, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
    """Bring the mirror in the folder of *path* up to date, write it to *path* as a tar.gz, and its manifest beside it.

    *guard* is told how much will be in the archive before anything is removed, and may refuse it.
    """
    mirror = Mirror(path.parent / "ftp")
    told = mirror.update(settings, lambda fraction, text: report(FETCHING * fraction, text), guard)
    content = mirror.pack(path, lambda fraction, text: report(FETCHING + (1 - FETCHING) * fraction, text))
    guard(content)
    manifest.write(path, {"content": content, "left_out": mirror.left_out, "truncated": mirror.truncated})
    return told


class Mirror:
    """The folder of a mirror: complete files in `files`, others in `halves`.

    After an update *left_out* says which files are missing or as they were the last time, *truncated* which are not
    whole; both say why.
    """

    def __init__(self, folder: Path) -> None:
        self.files, self._halves = folder / "files", folder / "halves"
        self.left_out: LeftOut = {}
        self.truncated: LeftOut = {}
        for each in (self.files, self._halves):
            each.mkdir(parents=True, exist_ok=True)

    def update(self, settings: Settings, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
        """Fetch what is new or changed, remove what is gone; return how many files there are, and which are not whole.

        A file that the server does not hand out is left out, and stays as it was fetched the last time.
        """
        left_out: LeftOut = {}
        truncated: LeftOut = {}
        with ftp.connected(settings) as client:
            listing = Listing(client)
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
                        truncated[file.path] = f"it is longer than listed: the first {file.size} bytes are here"
        shutil.rmtree(self._halves)  # those that are left are of files that are gone or changed
        self.left_out, self.truncated = _readable(left_out), _readable(truncated)
        fetched = sum(file.path not in left_out for file in missing)
        return {"files": len(files), "fetched": fetched} | _told(left_out=self.left_out, truncated=self.truncated)

    def pack(self, path: Path, report: Report) -> Content:
        """Write all files into a tar.gz; return how many there are, and of how many bytes."""
        paths = sorted(each for each in self.files.rglob("*") if each.is_file())
        with tarfile.open(path, "w:gz", compresslevel=6) as tar:
            for number, each in enumerate(paths):
                report(number / len(paths), f"packing file {number + 1} of {len(paths)}")
                tar.add(each, each.relative_to(self.files))
        report(1, f"packed {len(paths)} files")
        return {"files": len(paths), "bytes": sum(each.stat().st_size for each in paths)}

    def _local(self, path: str) -> Path:
        """Return where a file of the server is here; its bytes are its name."""
        return self.files / os.fsdecode(path.encode(ENCODING))

    def _half(self, file: File) -> Path:
        """Return where a half of a file is: named by what is listed, as half of another version is another half."""
        return self._halves / hashlib.sha256(repr(file).encode()).hexdigest()

    def _fitting(self, files: list[File], left_out: LeftOut) -> Iterator[File]:
        """Yield the files that the disk here can have; note the others."""
        free = shutil.disk_usage(self.files).free
        for file in files:
            if not self._fits(file.path):
                left_out[file.path] = "its name is too long for the disk here"
            elif file.size > free:
                left_out[file.path] = f"it is listed with {file.size} bytes, and {free} are free here"
            else:
                yield file

    def _fits(self, path: str) -> bool:
        """Tell whether all names in a path, and the path, are as short as the disk here needs them."""
        longest, longest_path = (os.pathconf(self.files, limit) for limit in ("PC_NAME_MAX", "PC_PATH_MAX"))
        whole = len(os.fsencode(self._local(path)))
        return max(map(len, path.split("/"))) <= longest and whole < longest_path  # which counts the NUL at its end

    def _is_complete(self, file: File) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = self._local(file.path).stat()
            return (found.st_size, int(found.st_mtime)) == (file.size, file.modified)
        return False

    def _prune(self, files: list[File], left_out: LeftOut, guard: Guard) -> None:
        """Remove files that are neither listed nor left out, nor in a folder that is; then empty folders."""
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
        """Give a complete file its name; one that is not whole gets another time, so that the next job fetches it."""
        modified = file.modified - truncated
        os.utime(half, (modified, modified))
        target = self._local(file.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(half, target)
        except OSError as error:
            if error.errno not in NO_PLACE:
                raise
            raise Unavailable(f"the disk here has no place for it: {error.strerror}") from None


def _readable(paths: LeftOut) -> LeftOut:
    return {shown(path): reason for path, reason in sorted(paths.items())}


def _told(**paths: LeftOut) -> dict[str, Any]:
    """Return for the result how many there are of each kind, and some of their names."""
    told: dict[str, Any] = {}
    for kind, found in paths.items():
        told |= {kind: len(found), f"{kind}_names": list(found)[:TOLD]}
    return told


def _with_progress(files: list[File], report: Report) -> Iterator[tuple[File, Progress]]:
    """Yield each file with what is to be called with how many of its bytes are here."""
    total, before = sum(file.size for file in files) or 1, 0
    for number, file in enumerate(files, 1):
        yield file, partial(_report, report, total, before, f"file {number} of {len(files)}: {shown(file.path)}")
        before += file.size


def _report(report: Report, total: int, before: int, text: str, size: int) -> None:
    report(min((before + size) / total, 1), text)
