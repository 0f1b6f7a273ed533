"""Keep one process of the Procfile running, as `restart: unless-stopped` does for a container.

    python -m project.native.supervise [--last] COMMAND...

A process that dies is started again after a second, so that killing a consumer does not stop the stack. SIGTERM goes to
the process alone, not to its group: Celery's main process must tell its children itself. With --last it is passed on
only when all others have ended: consumers hand their jobs back to a Redis that is still there.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

RESTART_DELAY = 1  # seconds


def main(arguments: list[str]) -> None:
    """Run the command again and again until SIGTERM or SIGINT."""
    last = arguments[0] == "--last"
    command = arguments[last:]
    # the launcher has put it there; to read all settings would cost each supervisor a third of a second
    others = os.open(Path(os.environ["RUN_DIR"], "others.lock"), os.O_RDWR | os.O_CREAT)
    if not last:
        fcntl.flock(others, fcntl.LOCK_SH)  # the kernel drops it when this process ends, however it ends
    started = _guard()
    stop = threading.Event()
    child: subprocess.Popen[bytes] | None = None

    def pass_on(*_: object) -> None:
        stop.set()
        if last:
            fcntl.flock(others, fcntl.LOCK_EX)
        if child:
            child.terminate()

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    while not stop.is_set():
        child = subprocess.Popen(command, start_new_session=True)
        os.write(started, f"{child.pid}\n".encode())
        code = child.wait()
        _kill_what_it_left(child.pid)
        if not stop.is_set():
            print(f"ended with code {code}, starting it again", flush=True)
            stop.wait(RESTART_DELAY)


def _guard() -> int:
    """Fork a guard that kills the last command's group when the supervisor has ended; return where to name the group.

    The kernel could kill the command itself with its parent (PR_SET_PDEATHSIG), but not NGINX's workers or a pool.
    """
    named, started = os.pipe()
    if os.fork():
        os.close(named)
        return started
    os.setsid()  # what kills the supervisor's group shall leave the guard alive
    os.close(started)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(named) as groups:
        group = [int(line) for line in groups][-1:]  # ends with the supervisor
    for pid in group:
        _kill_what_it_left(pid)
    os._exit(0)


def _kill_what_it_left(group: int) -> None:
    """Kill what a process left in its group: a consumer killed with -9 leaves its pool."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1:]:
        # Begin again without the command among our own arguments: `pkill -9 -f celery` is not meant for us
        os.environ["SUPERVISED"] = json.dumps(sys.argv[1:])
        os.execv(sys.executable, [sys.executable, "-m", "project.native.supervise"])
    main(json.loads(os.environ.pop("SUPERVISED")))
