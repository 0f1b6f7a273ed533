"""Read an archive of pg_dump as SQL, which pg_restore prints, to run it on another connection.

pg_restore opens no connection here. So a whole restore, with migrations and privileges, is one transaction on one
connection, and it ends if the process with that connection ends.
"""

import io
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from project.integrations.backups.archives import BackupError
from project.integrations.backups.postgres_dump import CURE, environment

# pg_restore's output resets our timeouts (and one that older servers do not support); only psql knows \restrict
_NOT_OURS = re.compile(rb"^(SET \w+_timeout = 0;|\\(un)?restrict .*)$", re.MULTILINE)
_FOOTER = re.compile(rb"\n\\unrestrict .*\n\s*\Z")
_ENTRY = re.compile(r"^\d+; \d+ \d+ ")
_SCHEMA = re.compile(r"SCHEMA - (.+) \S+$")
_RIGHTS = ("ACL ", "DEFAULT ACL ")
_COPY = re.compile(rb"COPY .* FROM stdin;\n")
_END_OF_COPY = b"\\.\n"


class Archive:
    """An archive in pg_dump's custom format."""

    def __init__(self, path: Path) -> None:
        self._path = path
        listed = self._read("--list").decode()
        self._entries = [line for line in listed.splitlines() if _ENTRY.match(line)]

    @property
    def tables(self) -> int:
        """Return the number of tables with rows."""
        return sum(_ENTRY.sub("", entry).startswith("TABLE DATA ") for entry in self._entries)

    @property
    def schemas(self) -> list[str]:
        """Return the schemas that it creates; `public` always exists."""
        found = (_SCHEMA.match(_ENTRY.sub("", entry)) for entry in self._entries)
        return [match[1] for match in found if match]

    def revisions(self) -> set[str]:
        """Return the migrations of its database."""
        script = io.BytesIO(self._read("--data-only", "--table=alembic_version"))
        for command, rows in _commands(script):
            if command.startswith(b"COPY "):
                return {row.decode().strip() for row in rows}
        return set()

    def section(self, name: str, leave_out: Iterable[str]) -> bytes:
        """Return the commands of a section, without rows, privileges and entries that begin with *leave_out*."""
        unwanted = (*_RIGHTS, *leave_out)
        wanted = [each for each in self._entries if not _ENTRY.sub("", each).startswith(unwanted)]
        with _list_file(wanted) as file:
            script = self._read(f"--section={name}", f"--use-list={file}", "--clean", "--if-exists")
        # do not change the bodies of functions
        header, begin, commands = _FOOTER.sub(b"", script).partition(b"\n-- Name: ")
        return _NOT_OURS.sub(b"", header) + begin + commands

    @contextmanager
    def rows(self) -> Iterator[Iterator[tuple[bytes, Iterator[bytes]]]]:
        """Yield the commands that fill the tables, each with its lines."""
        with self._running("--section=data") as pipe:
            yield _commands(pipe)

    def rights(self) -> list[bytes]:
        """Return the commands that grant privileges to roles."""
        with _list_file([each for each in self._entries if _ENTRY.sub("", each).startswith(_RIGHTS)]) as file:
            script = self._read(f"--use-list={file}")
        return [line for line in script.splitlines() if line.startswith((b"GRANT ", b"REVOKE ", b"ALTER DEFAULT "))]

    def _read(self, *options: str) -> bytes:
        with self._running(*options) as pipe:
            return pipe.read()

    @contextmanager
    def _running(self, *options: str) -> Iterator[IO[bytes]]:
        command = ["pg_restore", "--no-owner", "--file=-", *options, str(self._path)]
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(command, env=environment(""), stdout=subprocess.PIPE, stderr=said)
            except FileNotFoundError:
                raise BackupError(f"pg_restore is not installed: {CURE}") from None
            with process:
                assert process.stdout
                try:
                    yield process.stdout
                    process.wait()
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                said.seek(0)
                reason = said.read(2000).decode(errors="replace").strip()
                if "unsupported version" in reason:
                    reason += f": it is older than the pg_dump that made the archive; {CURE}"
                raise BackupError(reason)


def _commands(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Split a script into SQL and COPY commands; read the lines of a COPY before the next command."""
    lines, sql = iter(lines), b""
    for line in lines:
        # large objects are in their own transactions
        end = line == b"COMMIT;\n"
        if copies := _COPY.fullmatch(line):
            end = True
        elif not end and line != b"BEGIN;\n":
            sql += line
        if end and sql:
            yield _NOT_OURS.sub(b"", sql), iter(())
            sql = b""
        if copies:
            yield line, _until_end(lines)
    yield _NOT_OURS.sub(b"", sql), iter(())


def _until_end(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == _END_OF_COPY:
            return
        yield line
    raise BackupError("the archive is incomplete: it ends in the middle of a table")


@contextmanager
def _list_file(entries: list[str]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write("".join(f"{entry}\n" for entry in entries))
        file.flush()
        yield file.name
