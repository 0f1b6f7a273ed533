"""A copy of the files on an FTP server, which is brought up to date and packed into an archive.

What is complete is not fetched again: a file is, when it has the size and the time that the server lists. Half a file
is kept under a name of its own, and goes on where it ended.
"""

import ftplib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from project.integrations import ftp
from project.integrations.backups import Report
from project.settings import Settings

Progress = Callable[[int], None]
CHUNK = 2**16  # bytes
TOLD = 20  # names of files that are left out
FETCHING = 0.9  # of the progress; the rest is packing


class FileChanged(Exception):
    """A file is not what was listed: it was changed meanwhile. The next try lists it anew."""


def write(settings: Settings, path: Path, report: Report) -> dict[str, Any]:
    """Bring the mirror in the folder of *path* up to date and write it to *path* as a tar.gz."""
    mirror = Mirror(path.parent / "ftp")
    told = mirror.update(settings, lambda fraction, text: report(FETCHING * fraction, text))
    mirror.pack(path, lambda fraction, text: report(FETCHING + (1 - FETCHING) * fraction, text))
    return told


class Mirror:
    """The folder of a mirror: complete files in `files`, others in `halves`."""

    def __init__(self, folder: Path) -> None:
        self.files, self._halves = folder / "files", folder / "halves"
        for each in (self.files, self._halves):
            each.mkdir(parents=True, exist_ok=True)

    def update(self, settings: Settings, report: Report) -> dict[str, Any]:
        """Fetch what is new or changed, remove what is gone; return {files, fetched, left_out, left_out_names}.

        A file that the server does not hand out is left out, and stays as it was fetched the last time.
        """
        left_out: set[str] = set()
        with ftp.connected(settings) as client:
            found = list(ftp.files(client, left_out))
            left_out |= {file.path for file in found if not self._fits(file.path)}
            listed = sorted(file for file in found if file.path not in left_out)
            self._prune(listed, left_out)
            missing = [file for file in listed if not self._is_complete(file)]
            for file, progress in _with_progress(missing, report):
                if not self._fetch(client, file, progress):
                    left_out.add(file.path)
        shutil.rmtree(self._halves)  # those that are left are of files that are gone or changed
        names = sorted(ftp.shown(path) for path in left_out)
        fetched = sum(file.path not in left_out for file in missing)
        return {"files": len(listed), "fetched": fetched, "left_out": len(names), "left_out_names": names[:TOLD]}

    def pack(self, path: Path, report: Report) -> None:
        """Write all files into a tar.gz."""
        paths = sorted(each for each in self.files.rglob("*") if each.is_file())
        with tarfile.open(path, "w:gz", compresslevel=6) as tar:
            for number, each in enumerate(paths):
                report(number / len(paths), f"packing file {number + 1} of {len(paths)}")
                tar.add(each, each.relative_to(self.files))
        report(1, f"packed {len(paths)} files")

    def _local(self, path: str) -> Path:
        """Return where a file of the server is here; its bytes are its name."""
        return self.files / os.fsdecode(path.encode(ftp.ENCODING))

    def _fits(self, path: str) -> bool:
        """Tell whether all names in a path, and the path, are as short as the disk here needs them."""
        longest, longest_path = (os.pathconf(self.files, limit) for limit in ("PC_NAME_MAX", "PC_PATH_MAX"))
        whole = len(os.fsencode(self._local(path)))
        return max(map(len, path.split("/"))) <= longest and whole < longest_path  # which counts the NUL at its end

    def _is_complete(self, file: ftp.File) -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            found = self._local(file.path).stat()
            return (found.st_size, int(found.st_mtime)) == (file.size, file.modified)
        return False

    def _prune(self, listed: list[ftp.File], left_out: set[str]) -> None:
        """Remove files that are neither listed nor left out, nor in a folder that is; then empty folders."""
        there = {self._local(file.path) for file in listed}
        kept = {self._local(path) for path in left_out if ftp.is_name(path.rpartition("/")[2])}
        for folder, folders, names in os.walk(self.files, topdown=False):
            for path in (Path(folder, name) for name in names):
                if path not in there and kept.isdisjoint({path, *path.parents}):
                    path.unlink()
            for name in folders:
                with suppress(OSError):  # not empty
                    Path(folder, name).rmdir()

    def _fetch(self, client: ftplib.FTP, file: ftp.File, progress: Progress) -> bool:
        """Fetch a file, or the rest of it; return False when the server does not hand it out."""
        # named by what is listed: half of another version is another half
        half = self._halves / hashlib.sha256(repr(file).encode()).hexdigest()
        try:
            _receive(client, file, half, progress)
        except ftplib.error_perm:
            if not half.exists() or not half.stat().st_size:
                return False
            half.unlink()  # the server knows no REST
            return self._fetch(client, file, progress)
        if half.stat().st_size != file.size:
            half.unlink()
            raise FileChanged(f"{ftp.shown(file.path)} is not as long as the server listed it")
        os.utime(half, (file.modified, file.modified))
        target = self._local(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(half, target)
        return True


def _receive(client: ftplib.FTP, file: ftp.File, half: Path, progress: Progress) -> None:
    """Append to a half what is missing, and see that it is on the disk: after a power cut its size must be true."""
    with half.open("ab") as out:

        def write(data: bytes) -> None:
            out.write(data)
            out.flush()  # what is here need not come again after a kill
            progress(out.tell())

        if file.size > out.tell():
            client.retrbinary(f"RETR {file.path}", write, CHUNK, rest=out.tell() or None)
        os.fsync(out.fileno())


def _with_progress(files: list[ftp.File], report: Report) -> Iterator[tuple[ftp.File, Progress]]:
    """Yield each file with what is to be called with how many of its bytes are here."""
    total, before = sum(file.size for file in files) or 1, 0
    for number, file in enumerate(files, 1):
        yield file, partial(_report, report, total, before, f"file {number} of {len(files)}: {ftp.shown(file.path)}")
        before += file.size


def _report(report: Report, total: int, before: int, text: str, size: int) -> None:
    report(min((before + size) / total, 1), text)
