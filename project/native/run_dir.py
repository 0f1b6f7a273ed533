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

PRIVATE = 0o077  # the umask of the whole stack, because its files contain jobs, mail and secrets
#: Files that are not created with this umask: those of earlier versions, and copies of project files.
UNMASKED = ("nginx", "redis", "mail", "backups", "*.db", "*.db-*", "stack.log*", "access.log*", "launcher.pid")


def lock(folder: Path) -> int:
    """Lock the folder for this process and return the open file, or exit and name the process that uses it."""
    folder.mkdir(0o700, parents=True, exist_ok=True)
    file = _open(folder)
    if not _try_lock(file):
        sys.exit(
            f"glassqueue: a stack already runs in {folder} (process {_pid(file)}): stop it with `make down`, "
            "or start a second one with `make up PORT_OFFSET=100`"
        )
    os.truncate(file, 0)
    os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
    return file


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
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def down() -> None:
    """Stop the stack that runs in RUN_DIR and wait until it has ended."""
    folder = get_settings().run_dir
    if not folder.exists() or _try_lock(file := _open(folder)):
        print(f"glassqueue: no stack runs in {folder}")
        return
    os.kill(_pid(file), signal.SIGTERM)
    os.kill(_pid(file), signal.SIGCONT)  # Ctrl-Z may have suspended it
    fcntl.flock(file, fcntl.LOCK_EX)
    print(f"glassqueue: stopped the stack in {folder}")


def reset() -> None:
    """Delete the data of the stack's own Redis (all jobs, results and schedules) and Flower's copy of it."""
    settings = get_settings()
    if not settings.own_redis:
        sys.exit("glassqueue: the jobs are in a Redis elsewhere; delete them with `make redis-cli ARGS=FLUSHDB`")
    folder = settings.run_dir
    held = lock(folder)
    shutil.rmtree(folder / "redis", ignore_errors=True)
    (folder / "flower.db").unlink(missing_ok=True)
    os.close(held)
    print(f"glassqueue: deleted all jobs, results and schedules in {folder}; the database, mail and backups are kept")


def _open(folder: Path) -> int:
    return os.open(folder / "launcher.pid", os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(file: int) -> bool:
    """Try to lock an open file; return whether it succeeded."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(file: int) -> int:
    """Return the id of the process that holds the lock, which it has written to the file."""
    return int(os.pread(file, 20, 0))
