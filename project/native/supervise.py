"""Keep one process of the Procfile running, as `restart: unless-stopped` does for a container.

    python -m project.native.supervise [--last] COMMAND...

A process that dies is started again after a second, so that killing a consumer does not stop the stack. SIGTERM goes to
the process alone, not to its group: Celery's main process must tell its children itself. With --last it is passed on
only when all others have ended: consumers hand their jobs back to a Redis that is still there.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from project.settings import get_settings

RESTART_DELAY = 1  # seconds
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Run the command again and again until SIGTERM or SIGINT."""
    last = arguments[0] == "--last"
    command = arguments[last:]
    others = (get_settings().run_dir / "others.lock").open("w")
    if not last:
        fcntl.flock(others, fcntl.LOCK_SH)  # the kernel drops it when this process ends, however it ends
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
        child = subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent)  # noqa: PLW1509 no threads here
        code = child.wait()
        _kill_what_it_left(child.pid)
        if not stop.is_set():
            print(f"ended with code {code}, starting it again", flush=True)
            stop.wait(RESTART_DELAY)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the supervisor is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_what_it_left(group: int) -> None:
    """Kill what a process left in its group: a consumer killed with -9 leaves its pool."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
