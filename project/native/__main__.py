"""Run `make up`, `make down` and `make reset`: `python -m project.native [up | down | reset]`."""

import os
import signal
import sys

if __name__ == "__main__":
    # First, before the slow imports: nothing runs yet, so Ctrl-C has nothing to stop
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))

from project.startup import explained

with explained():
    from project.native import launch, run_dir

COMMANDS = {"up": launch.up, "down": run_dir.down, "reset": run_dir.reset}


def main(words: list[str]) -> None:
    """Run the command."""
    if len(words) > 1 or not COMMANDS.keys() >= set(words):
        sys.exit(f"glassqueue: {' '.join(words)}: the commands are {', '.join(COMMANDS)}")
    COMMANDS[words[0] if words else "up"]()


if __name__ == "__main__":
    main(sys.argv[1:])
