"""Run `make up`, `make down`, `make reset` and `make clean`: `python -m project.native [up | down | reset | clean]`."""

import os
import signal
import sys

if __name__ == "__main__":
    # Else a file that is opened next, such as the lock, would become standard output of the stack: `make up >&-`
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:  # closed; the kernel gives a new file the lowest free number
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    # Before the slow imports: nothing runs yet, so Ctrl-C has nothing to stop
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))

from project.startup import explained

with explained():
    from project import misspelt
    from project.native import launch, run_dir
    from project.settings import get_settings

COMMANDS = {"up": launch.up, "down": run_dir.down, "reset": run_dir.reset, "clean": run_dir.clean}


def main(words: list[str]) -> None:
    """Run the command, or exit with a message."""
    if len(words) > 1 or not COMMANDS.keys() >= set(words):
        sys.exit(f"glassqueue: {' '.join(words)}: the commands are {', '.join(COMMANDS)}")
    misspelt.refuse_misspelt_settings()
    try:
        COMMANDS[words[0] if words else "up"]()
    except OSError as error:  # the folder belongs to root after `sudo make up`, or the disk is full
        place = error.filename or get_settings().run_dir
        sys.exit(f"glassqueue: {place}: {error.strerror or error}; RUN_DIR must be a folder in which you can write")


if __name__ == "__main__":
    main(sys.argv[1:])
