"""Fetch one file from an FTP server, at most as many bytes as the server has listed."""

import ftplib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from project.integrations.backups import ftp
from project.integrations.backups.ftp_listing import File, Unavailable, refused, retried
from project.settings import Settings

Progress = Callable[[int], None]
CHUNK = 2**16  # bytes


class _Longer(Exception):
    """The server sends more of a file than it has listed."""


def fetch(client: ftplib.FTP, settings: Settings, file: File, half: Path, progress: Progress) -> bool:
    """Fetch a file, or the rest of it, to *half*; return whether it is longer than listed.

    Raise Unavailable if the server refuses the file, sends less than it has listed, or breaks the connection before it
    has sent anything more. If the connection breaks later, raise the error: the next attempt resumes there.
    """
    had = _size(half)
    attempt = partial(_fetch, client, settings, file, half, progress)
    return retried(attempt, partial(ftp.connect, client, settings), unless=lambda: _size(half) > had)


def _fetch(client: ftplib.FTP, settings: Settings, file: File, half: Path, progress: Progress) -> bool:
    resumed = _size(half) > 0
    longer, reason = False, ""
    try:
        _receive(client, file, half, progress)
    except _Longer:
        longer = True
        ftp.connect(client, settings)  # servers reply differently after an aborted transfer
    except ftplib.Error as error:
        if not refused(error):
            raise
        reason = str(error)
    size = half.stat().st_size
    if resumed and (longer or reason or size < file.size):
        half.unlink()  # the server does not support REST, or the half is of another version
        return _fetch(client, settings, file, half, progress)
    if reason or size < file.size:
        raise Unavailable(reason or f"the server listed {file.size} bytes and sent {size}")
    return longer


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(client: ftplib.FTP, file: File, half: Path, progress: Progress) -> None:
    """Append the missing bytes to *half* and flush them to disk, so that its size is right after a power failure."""
    with half.open("ab") as out:

        def write(data: bytes) -> None:
            """Write received bytes, but no more than the server has listed."""
            room = file.size - out.tell()
            out.write(data[:room])
            out.flush()  # received bytes need not be fetched again after a kill
            progress(out.tell())
            if len(data) > room:
                raise _Longer

        if file.size > out.tell() or not file.size:
            client.retrbinary(f"RETR {file.path}", write, CHUNK, rest=out.tell() or None)
        os.fsync(out.fileno())
