"""Manage RUN_DIR, the folder of a stack, and its lock, which the kernel releases when the launcher ends."""

import fcntl
import os
import shutil
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path

from project.settings import get_settings
from project.startup import ROOT

PRIVATE = 0o077  # the umask of the whole stack, because its files contain jobs, mail and secrets
#: Files that are not created with this umask: those of earlier versions, and copies of project files.
UNMASKED = ("nginx", "redis", "mail", "backups", "*.db", "*.db-*", "stack.log*", "access.log*", "launcher.pid")
#: Files that may be there before a stack has run: those that project.migrate and project.restore read or write.
BEFORE_THE_FIRST_START = ("*.db", "*.db-*", "backups")
LOCK = "launcher.pid"  # also shows that the folder is one of a stack


def lock(folder: Path) -> int:
    """Lock the folder for this process and return the open file, or exit and name the process that uses it."""
    folder.mkdir(0o700, parents=True, exist_ok=True)
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not _try_lock(file):
        sys.exit(
            f"glassqueue: a stack already runs in {folder} (process {_pid(file)}): stop it with `make down`, "
            "or start a second one with `make up PORT_OFFSET=100`"
        )
    os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
    return file


def refuse_files_of_others(folder: Path) -> None:
    """Exit if the folder has contents that are not a stack's: a stack deletes and hides files in its folder."""
    if ROOT.is_relative_to(folder.resolve()):
        sys.exit(
            f"glassqueue: RUN_DIR: {folder} is the project's folder or contains it; choose another one, such as .run"
        )
    if not folder.exists() or (folder / LOCK).exists():
        return
    if any(path for path in folder.iterdir() if not any(path.match(pattern) for pattern in BEFORE_THE_FIRST_START)):
        sys.exit(
            f"glassqueue: RUN_DIR: {folder} contains files, but no stack has run there; choose a new or an empty folder"
        )


def hide(folder: Path) -> None:
    """Make the folder of a stack unreadable for other users of this machine."""
    if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & stat.S_ISVTX:  # not /tmp
        folder.chmod(0o700)
    for path in (found for name in UNMASKED for top in folder.glob(name) for found in (top, *top.rglob("*"))):
        if not path.is_symlink():
            with suppress(PermissionError):  # owned by another user
                path.chmod(path.stat().st_mode & ~PRIVATE)


def write_private(path: Path, text: str) -> None:
    """Write a file that other users of this machine can never read, not even while it is written."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def down() -> None:
    """Stop the stack that runs in RUN_DIR and wait until it has ended."""
    folder = get_settings().run_dir
    if not (folder / LOCK).exists() or _try_lock(file := os.open(folder / LOCK, os.O_RDWR)):
        print(f"glassqueue: no stack runs in {folder}")
        return
    if pid := _pid(file):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGCONT)  # Ctrl-Z may have suspended it
    fcntl.flock(file, fcntl.LOCK_EX)
    print(f"glassqueue: stopped the stack in {folder}")


def clean() -> None:
    """Stop the stack that runs in RUN_DIR, and delete the contents of the folder if a stack has run there."""
    folder = get_settings().run_dir
    if folder.exists() and folder.stat().st_mode & stat.S_ISVTX:
        sys.exit(f"glassqueue: RUN_DIR: {folder} is a folder that users share; delete the files of the stack yourself")
    refuse_files_of_others(folder)
    if not (folder / LOCK).exists():
        print(f"glassqueue: no stack has run in {folder}")
        return
    down()  # holds the lock until this process ends
    for path in sorted(folder.iterdir(), key=lambda path: path.name == LOCK):  # last: `make clean` can be repeated
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    with suppress(OSError):  # a link to a folder, or a mounted disk
        folder.rmdir()
    print(f"glassqueue: deleted the data of the stack in {folder}")


def reset() -> None:
    """Delete the data of the stack's own Redis (all jobs, results and schedules) and Flower's copy of it."""
    settings = get_settings()
    if not settings.own_redis:
        sys.exit("glassqueue: the jobs are in a Redis elsewhere; delete them with `make redis-cli ARGS=FLUSHDB`")
    folder = settings.run_dir
    refuse_files_of_others(folder)
    held = lock(folder)
    shutil.rmtree(folder / "redis", ignore_errors=True)
    (folder / "flower.db").unlink(missing_ok=True)
    os.close(held)
    print(f"glassqueue: deleted all jobs, results and schedules in {folder}; the database, mail and backups are kept")


def _try_lock(file: int) -> bool:
    """Try to lock an open file; return whether it succeeded. The process named in it has ended then: empty it.

    Another `make down` at this moment must not signal that process id, which may be in use again.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.truncate(file, 0)
    return True


def _pid(file: int) -> int:
    """Return the id of the process that holds the lock, which it has written to the file, or 0 if there is none."""
    return int(os.pread(file, 20, 0) or 0)
