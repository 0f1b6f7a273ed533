"""Run a command that ends, with all its child processes, when the launcher ends.

    python -S tied.py FD COMMAND...

FD is the read end of a pipe whose write end only the launcher holds. When the launcher ends, even by kill -9, the
kernel closes that end and sends SIGKILL to the process group of this command: O_ASYNC and F_SETSIG, see fcntl(2).
PR_SET_PDEATHSIG would reach only the command, not NGINX's workers or a consumer's pool.
"""

import fcntl
import os
import select
import signal
import sys

F_SETSIG = 10  # from <fcntl.h>; Python does not define it


def main(pipe: int, command: list[str]) -> None:
    """Tie this process group to the pipe, then become the command."""
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(pipe, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    closed = select.poll()
    closed.register(pipe, 0)  # POLLHUP is always reported
    if closed.poll(0):
        sys.exit("the launcher has already ended")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
