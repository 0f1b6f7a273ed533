"""RUN_DIR: which folders a stack may use, and how `make down` finds the stack in one."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project.native import run_dir
from project.startup import ROOT
from tests.support.newcomer import NOT_COPIED
from tests.support.wait import wait_until


@pytest.mark.parametrize("inside", ["nginx", "redis", "mail/letter"])
def test_a_folder_with_files_of_others_is_refused(tmp_path: Path, inside: str) -> None:
    """The stack would delete or hide them; not even its lock is left there."""
    (tmp_path / inside).mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"RUN_DIR: .* contains files, but no stack has run there"):
        run_dir.refuse_files_of_others(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [inside.partition("/")[0]]


def test_a_backup_may_be_restored_before_the_first_start(tmp_path: Path) -> None:
    """As on a new machine."""
    (tmp_path / "backups").mkdir()
    (tmp_path / "records.db").touch()
    run_dir.refuse_files_of_others(tmp_path)


def test_an_empty_folder_and_one_of_a_stack_are_accepted(tmp_path: Path) -> None:
    """Also if the stack has left anything in it."""
    run_dir.refuse_files_of_others(tmp_path)
    os.close(run_dir.lock(tmp_path))
    (tmp_path / "nginx").mkdir()
    run_dir.refuse_files_of_others(tmp_path)
    run_dir.refuse_files_of_others(tmp_path / "new" / "folder")


@pytest.mark.parametrize("folder", [ROOT, ROOT.parent])
def test_the_folder_of_the_project_is_refused(folder: Path) -> None:
    """An earlier version may have left its lock in it."""
    with pytest.raises(SystemExit, match=r"RUN_DIR: .* is the project's folder or contains it"):
        run_dir.refuse_files_of_others(folder)


@pytest.mark.parametrize("word", ["up", "reset", "down", "clean"])
def test_no_command_changes_the_folder_of_the_project(tmp_path: Path, word: str) -> None:
    """`make up RUN_DIR=.` used to delete its folder nginx/."""
    copy = tmp_path / "glassqueue"
    shutil.copytree(".", copy, ignore=NOT_COPIED)
    before = sorted(copy.rglob("*"))
    done = _command(word, copy, RUN_DIR=".")
    assert sorted(copy.rglob("*")) == before
    assert "glassqueue: " in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_make_reset_deletes_only_what_a_stack_has_made(tmp_path: Path) -> None:
    """/srv/redis may belong to another program."""
    (tmp_path / "redis").mkdir()
    done = _command("reset", RUN_DIR=str(tmp_path))
    assert done.returncode == 1 and "no stack has run there" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["redis"]


def test_make_clean_deletes_only_the_folder_of_this_stack(tmp_path: Path) -> None:
    """`make clean PORT_OFFSET=100` used to delete the data of the first stack."""
    copy, chosen, other = tmp_path / "glassqueue", tmp_path / "chosen", tmp_path / "other"
    shutil.copytree(".", copy, ignore=NOT_COPIED)
    (copy / ".venv").symlink_to(sys.prefix)
    for folder in (copy / ".run", copy / ".run-100", chosen, other):
        (folder / "redis").mkdir(parents=True)
        (folder / "launcher.pid").touch()
    (other / "launcher.pid").unlink()
    clean = ["make", "--no-print-directory", "--old-file=.venv/native", "clean"]
    for settings in ["PORT_OFFSET=100"], [f"RUN_DIR={chosen}"], [f"RUN_DIR={other}"]:
        subprocess.run([*clean, *settings], cwd=copy, check=False, capture_output=True, timeout=60)
    assert [folder.exists() for folder in (copy / ".run-100", chosen)] == [False, False]
    assert [(folder / "redis").exists() for folder in (copy / ".run", other)] == [True, True]


@pytest.mark.parametrize("name", ["customers.db", "backups"])
def test_make_clean_keeps_what_no_stack_has_made(tmp_path: Path, name: str) -> None:
    """`make up` accepts a folder with a database or backups; without a stack, they belong to somebody else."""
    (tmp_path / name).touch()
    assert "no stack has run in" in _command("clean", RUN_DIR=str(tmp_path)).stdout
    assert (tmp_path / name).exists()


def test_make_clean_refuses_a_folder_that_users_share(tmp_path: Path) -> None:
    """A stack may run in /tmp."""
    (tmp_path / "launcher.pid").touch()
    (tmp_path / "of_others").touch()
    tmp_path.chmod(0o1777)
    assert "is a folder that users share" in _command("clean", RUN_DIR=str(tmp_path)).stderr
    assert (tmp_path / "of_others").exists()


def test_make_down_twice_at_a_time_signals_no_other_process(tmp_path: Path) -> None:
    """The id in the folder of a stack that has ended may be that of an unrelated process by now."""
    with subprocess.Popen(["sleep", "60"]) as unrelated:
        pid_file = tmp_path / "launcher.pid"
        pid_file.write_text(f"{unrelated.pid}\n")
        assert "no stack runs in" in _command("down", RUN_DIR=str(tmp_path)).stdout
        with pid_file.open("r+") as first:
            fcntl.flock(first, fcntl.LOCK_EX)  # as a `make down` that has not ended yet
            second = _begin("down", RUN_DIR=str(tmp_path))
            wait_until(lambda: second.poll() is not None or _waits_for_a_lock(second.pid))
        _, error = second.communicate(timeout=60)
        assert (second.returncode, error, unrelated.poll()) == (0, "", None)
        unrelated.kill()


def test_make_down_survives_a_stack_that_has_just_ended(tmp_path: Path) -> None:
    """Its process is gone while another command holds the lock for a moment."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "launcher.pid").write_text(f"{ended.pid}\n")
    with (tmp_path / "launcher.pid").open("r+") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        down = _begin("down", RUN_DIR=str(tmp_path))
        wait_until(lambda: down.poll() is not None or _waits_for_a_lock(down.pid))
    _, error = down.communicate(timeout=60)
    assert (down.returncode, error) == (0, "")


@pytest.mark.parametrize("word", ["up", "down", "reset"])
def test_a_run_dir_that_cannot_be_used_is_one_line(tmp_path: Path, word: str) -> None:
    """It names the path, and what is wrong with it."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "launcher.pid").mkdir(parents=True)
    for wrong in ("file", "file/below", "folder"):
        done = _command(word, RUN_DIR=str(tmp_path / wrong))
        assert (done.stdout + done.stderr).count("\n") == 1, done
        assert f"{tmp_path}/{wrong}" in done.stdout + done.stderr
        assert done.returncode == 1 or (word == "down" and wrong != "folder"), done


def _begin(word: str, folder: Path = ROOT, **settings: str) -> subprocess.Popen[str]:
    """Start `make up`, `make down` or `make reset`."""
    command = [sys.executable, "-m", "project.native", word]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=os.environ | settings, stdout=pipe, stderr=pipe, text=True)


def _command(word: str, folder: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run such a command to its end."""
    begun = _begin(word, folder, **settings)
    out, error = begun.communicate(timeout=60)
    return subprocess.CompletedProcess(begun.args, begun.returncode, out, error)


def _waits_for_a_lock(pid: int) -> bool:
    """Tell whether a process waits in flock(2)."""
    return f"-> FLOCK  ADVISORY  WRITE {pid} " in Path("/proc/locks").read_text()
