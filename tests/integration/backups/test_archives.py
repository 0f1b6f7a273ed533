"""Archives: whole and with their sum, or not there at all, whatever happens."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.integrations.backups import archives
from project.integrations.backups.retention import Keep
from project.settings import Settings

KEEP = Keep(last=2, daily=0, weekly=0)
CHILD = """
import os, signal, sys
from pathlib import Path
from project.integrations.backups import archives
from project.integrations.backups.retention import Keep

folder = Path(sys.argv[1])

def make(fill):
    return archives.make(folder, "ftp", ".tar.gz", fill, Keep(last=1, daily=0, weekly=0))
"""
# one child after the other, each killed at one step (audit event) more than the last one, until one gets through
KILLED_AT_EACH_STEP = """
def fill(path):
    path.write_bytes(b"content")
    return {}

def die_at(step):
    left = step
    def count(event, args):
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.scandir", "os.mkdir"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

make(fill)
for step in range(1000):
    if not (pid := os.fork()):
        die_at(step)
        make(fill)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    there = [path for path in folder.glob("ftp-*") if path.suffix != archives.SUM]
    assert there, step
    for path in there:
        archives.verify(folder, path.name)
    if not status:
        break
print(step, len(list(folder.iterdir())))
"""

# the kernel refuses to remove a file, as if it were immutable
PROTECTED = """
def protect(event, args):
    if event == "os.remove" and "20260102" in str(args[0]):
        raise PermissionError(1, "Operation not permitted")

for day in (1, 2):
    path = folder / f"ftp-2026010{day}T000000Z.tar.gz"
    path.touch()
    path.with_name(path.name + archives.SUM).touch()
(folder / f"{archives.UNFINISHED}ftp-20260102T000000Z.tar.gz").touch()
sys.addaudithook(protect)
summary = make(lambda path: path.touch() or {})
print(summary["deleted"], summary["not_deleted"])
"""


def _fill(content: bytes) -> Callable[[Path], dict[str, Any]]:
    def fill(path: Path) -> dict[str, Any]:
        path.write_bytes(content)
        return {"files": 1}

    return fill


def _make(folder: Path, content: bytes = b"content", keep: Keep = KEEP) -> dict[str, Any]:
    return archives.make(folder, "database", ".dump", _fill(content), keep)


def _run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD + script, str(folder)], capture_output=True, text=True, check=False
    )


def _archives(folder: Path) -> list[str]:
    """Return everything in the folder but the locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_backup_says_what_it_is_and_sha256sum_agrees(tmp_path: Path) -> None:
    """The result has name, size, checksum, duration and the fields that the writer has added."""
    summary = _make(tmp_path)
    assert summary.items() >= {"bytes": 7, "files": 1, "deleted": []}.items()
    assert _archives(tmp_path) == [summary["name"], f"{summary['name']}.sha256"]
    checked = subprocess.run(
        ["sha256sum", "--check", f"{summary['name']}.sha256"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert checked.stdout == f"{summary['name']}: OK\n"
    assert archives.verify(tmp_path, summary["name"]).path.read_bytes() == b"content"


def test_old_backups_go_only_when_a_new_one_is_there(tmp_path: Path) -> None:
    """A backup that fails deletes nothing; another kind is not touched."""
    other = archives.make(tmp_path, "ftp", ".tar.gz", _fill(b"x"), KEEP)["name"]
    first, second = (_make(tmp_path)["name"] for _ in range(2))

    def fail(path: Path) -> dict[str, Any]:
        path.write_bytes(b"half")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        archives.make(tmp_path, "database", ".dump", fail, KEEP)
    assert len(_archives(tmp_path)) == 6
    third = _make(tmp_path)
    assert third["deleted"] == [first]
    assert _archives(tmp_path)[::2] == sorted([second, third["name"], other])


@pytest.mark.parametrize(
    "name", ["database-schema.json", "database-old.sha256", "database-20260230T000000Z.dump.sha256", "database-1.json"]
)
def test_files_of_others_in_the_folder_stay(tmp_path: Path, name: str) -> None:
    """Only checksums and manifests of archives are remains of a killed job."""
    (tmp_path / name).write_text("theirs")
    remains = tmp_path / "database-20260101T000000Z.dump.sha256"
    remains.write_text("ours")
    _make(tmp_path)
    assert (tmp_path / name).read_text() == "theirs"
    assert not remains.exists()


def test_files_that_only_look_like_archives_stop_no_backup(tmp_path: Path) -> None:
    """One with an impossible date, a folder, and a link to nothing: all are no archives."""
    folder = tmp_path / "backups"
    name = _make(folder)["name"]
    folder.joinpath("database-20260230T000000Z.dump").write_bytes(b"of the 30th of February")
    folder.joinpath("database-20260102T000000Z.dump").mkdir()
    folder.joinpath("database-20260103T000000Z.dump").symlink_to("nowhere")
    for each in list(folder.glob("*.dump")):
        folder.joinpath(f"{each.name}.sha256").touch()
    assert [each.path.name for each in archives.all_of(folder, "database")] == [name]
    assert archives.check(Settings(_env_file=None, run_dir=tmp_path)).state == "ok"
    with pytest.raises(archives.BrokenBackup, match="invalid name"):
        archives.verify(folder, "database-20260230T000000Z.dump")
    assert _make(folder)["name"] > name


def test_an_old_backup_that_cannot_be_deleted_does_not_fail_the_new_one(tmp_path: Path) -> None:
    """A retry would make one archive more each time; the others are deleted, and the result names it."""
    done = _run(PROTECTED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["['ftp-20260101T000000Z.tar.gz']", "['ftp-20260102T000000Z.tar.gz']"]


def test_a_job_killed_at_any_step_leaves_only_whole_archives(tmp_path: Path) -> None:
    """At each of its steps in turn; there is always a backup, and the next one removes what the others left."""
    done = _run(KILLED_AT_EACH_STEP, tmp_path)
    assert done.returncode == 0, done.stderr
    steps, left = map(int, done.stdout.split())
    assert steps > 10
    assert left == 3  # archive, sum and lock


def test_a_full_disk_leaves_no_archive_and_is_reported(tmp_path: Path) -> None:
    """The kernel refuses to let files grow any further in the middle of an archive."""
    done = _run(
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

def fill(path):
    with path.open("wb") as file:
        while True:
            file.write(bytes(8192))

make(fill)
""",
        tmp_path,
    )
    assert f"FolderFull: no room in {tmp_path}: File too large" in done.stderr
    assert _archives(tmp_path) == []


def test_of_two_backups_at_a_time_the_second_fails_and_says_why(tmp_path: Path) -> None:
    """And a restore is in the way of a backup; other kinds are not."""
    with archives.alone(tmp_path, "database"):
        with pytest.raises(archives.AlreadyRunning, match="another job is backing up or restoring the database"):
            _make(tmp_path)
        assert archives.make(tmp_path, "ftp", ".tar.gz", _fill(b"x"), KEEP)["bytes"] == 1
    assert _make(tmp_path)["bytes"] == 7


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: path.write_bytes(b"kontent"), "is broken: its SHA-256 is not the one in"),
        (lambda path: path.unlink(), "there is no database-"),
        (lambda path: Path(f"{path}.sha256").unlink(), ".sha256 in the backup folder"),
        (lambda path: Path(f"{path}.sha256").write_text(""), "is broken"),
        (lambda path: Path(f"{path}.sha256").write_bytes(b"\xff"), "is broken"),
    ],
    ids=["changed", "gone", "without sum", "with an empty sum", "with a sum that is no text"],
)
def test_an_altered_archive_is_not_accepted_as_a_backup(
    tmp_path: Path, harm: Callable[[Path], Any], reason: str
) -> None:
    """And the message says what is wrong with it."""
    name = _make(tmp_path)["name"]
    harm(tmp_path / name)
    with pytest.raises(archives.BrokenBackup, match=reason):
        archives.verify(tmp_path, name)


@pytest.mark.parametrize("name", ["../database-20261121T030000Z.dump", "/etc/passwd", "database-1.dump", "\n", ""])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    """Nothing outside the folder is looked at."""
    (tmp_path / "inside").mkdir()
    outside = _make(tmp_path)["name"]
    for each in (name, f"../{outside}", f"{outside}\n"):
        with pytest.raises(archives.BrokenBackup, match="backups have names such as"):
            archives.verify(tmp_path / "inside", each)
    assert os.listdir(tmp_path / "inside") == []


def test_the_check_tells_of_room_and_of_the_newest_backups(tmp_path: Path) -> None:
    """It creates nothing, and reports an unusable folder."""
    settings = Settings(_env_file=None, run_dir=tmp_path)
    found = archives.check(settings)
    assert (found.state, found.found.startswith(f"{tmp_path}/backups: ")) == ("ok", True)
    assert found.found.endswith(" GB free; no backups yet")
    assert os.listdir(tmp_path) == []
    name = _make(tmp_path / "backups")["name"]
    assert archives.check(settings).found.endswith(f" GB free; {name}")
    assert archives.check(Settings(_env_file=None, backup_folder="/proc/sys/backups")).state == "failed"
