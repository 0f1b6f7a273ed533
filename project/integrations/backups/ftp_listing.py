"""List the files of an FTP server with MLSD (RFC 3659); leave out everything except plain files and folders."""

import ftplib
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from project.integrations.backups.archives import BackupError

DEEPEST = 50  # nested folders: a server that lists a link as a folder may list it inside itself
MOST = 1_000_000  # files and folders in total, because the list is in memory
LONGEST_LINE = 8192  # bytes
ENCODING = "latin-1"  # maps bytes one to one: names in any encoding stay unchanged
_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]|^\.{0,2}$")
# RFC 959: this file or folder is unavailable now, for example locked; the connection is fine
_BUSY = ("450", "451", "452")

# the connection is broken, or the server is in a state from which only a new connection leads
_BROKEN = (EOFError, TimeoutError, ConnectionError, ssl.SSLError, ftplib.Error)
TRIES = 2  # an idle connection may have been closed before the first

T = TypeVar("T")
LeftOut = dict[str, str]  # paths on the server, and the reasons why they are not backed up
Facts = dict[str, str]


class Unavailable(Exception):
    """A file or folder cannot be fetched; the text gives the reason."""


@dataclass(frozen=True)
class File:
    """A file as listed by the server: its raw path, its size in bytes, and its modification time."""

    path: str
    size: int
    modified: int  # seconds since 1970


def refused(error: ftplib.Error) -> bool:
    """Tell whether an error concerns only one file or folder, so that the others can still be fetched."""
    return isinstance(error, ftplib.error_perm) or str(error).startswith(_BUSY)


def retried(attempt: Callable[[], T], reconnect: Callable[[], None], unless: Callable[[], bool]) -> T:
    """Reconnect and try again if the connection breaks; raise Unavailable if it breaks each time.

    Raise the error if *unless* then is true, or if the server is away.
    """
    reason = ""
    for _ in range(TRIES):
        try:
            return attempt()
        except _BROKEN as error:
            if unless():
                raise
            reconnect()
            reason = str(error) or type(error).__name__
    raise Unavailable(f"the connection breaks whenever the server sends it: {reason}")


def is_name(name: str) -> bool:
    """Tell whether a name is a plain name, not a path or a special entry."""
    return not _NO_NAME.search(name)


def as_text(path: str) -> str:
    """Return a path of the server as readable text."""
    return path.encode(ENCODING).decode("utf-8", "backslashreplace")


class Listing:
    """List all files of a server; *left_out* has the other entries with the reasons."""

    def __init__(self, client: ftplib.FTP, reconnect: Callable[[], None]) -> None:
        self._client, self._reconnect = client, reconnect
        self._entries = 0
        self.left_out: LeftOut = {}

    def files(self) -> list[File]:
        """Return all files, sorted by path; of several with the same path the last one listed."""
        found = {file.path: file for file in self._files("", ())}
        folders = {path[:index] for path in found for index, letter in enumerate(path) if letter == "/"}
        for path in folders & found.keys():
            self.left_out[path] = "it is listed both as a file and as a folder"
        return [found[path] for path in sorted(found.keys() - self.left_out.keys())]

    def _files(self, folder: str, above: tuple[str, ...]) -> Iterator[File]:
        for name, facts in self._listed(folder):
            path, kind = f"{folder}{name}", facts.get("type", "").lower()
            if kind in ("cdir", "pdir"):
                continue
            if reason := self._unusable(name, facts, folder, above):
                self.left_out[path] = reason
            elif kind == "dir":
                yield from self._files(f"{path}/", (*above, facts.get("unique", "")))
            else:
                yield _file(path, facts)

    def _unusable(self, name: str, facts: Facts, folder: str, above: tuple[str, ...]) -> str:
        """Return the reason why an entry is left out, or ""."""
        kind = facts.get("type", "").lower()
        if not is_name(name):
            return "its name is a path or has control characters"
        if kind == "dir" and facts.get("unique", "") in {*above} - {""}:
            return "it is a folder that contains itself"
        if kind == "dir" and folder.count("/") >= DEEPEST:
            return f"it is nested in more than {DEEPEST} folders"
        if kind not in ("file", "dir"):
            return f"it is neither a file nor a folder: {kind or 'no type'}"
        return "" if kind == "dir" or _is_complete(facts) else "it is listed without a size or a time"

    def _listed(self, folder: str) -> list[tuple[str, Facts]]:
        try:
            lines = retried(partial(self._lines, folder), self._reconnect, unless=lambda: not folder)
        except Unavailable as error:
            if not folder:
                raise BackupError(f"{self._client.host} does not list its files by MLSD: {error}") from None
            self.left_out[folder.rstrip("/")] = str(error)  # no permission, or deleted since its parent was listed
            return []
        return [_entry(line) for line in lines]

    def _lines(self, folder: str) -> list[str]:
        try:
            return list(self._received(f"MLSD {folder.removesuffix('/')}" if folder else "MLSD"))
        except ftplib.Error as error:
            if not refused(error):
                raise
            raise Unavailable(str(error)) from None

    def _received(self, command: str) -> Iterator[str]:
        """Yield the lines of a listing; limit their number and length."""
        self._client.voidcmd("TYPE A")
        with self._client.transfercmd(command) as connection, connection.makefile("rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                self._entries += 1
                if self._entries > MOST:
                    raise BackupError(f"the server lists more than {MOST:,} files: set FTP_FOLDER to a smaller folder")
                yield line.rstrip(b"\r\n").decode(ENCODING)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        self._client.voidresp()


def _entry(line: str) -> tuple[str, Facts]:
    """Return name and facts of a line such as `type=file;size=1;modify=20261121030000; name`."""
    facts, _, name = line.partition(" ")
    pairs = (fact.partition("=") for fact in facts.split(";") if fact)
    return name, {key.lower(): value for key, _, value in pairs}


def _is_complete(facts: Facts) -> bool:
    try:
        return _file("", facts).size >= 0
    except (KeyError, ValueError, OverflowError):
        return False


def _file(path: str, facts: Facts) -> File:
    modified = datetime.strptime(facts["modify"][:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return File(path, int(facts["size"]), int(modified.timestamp()))
