"""Run the command of a container, and restart it when the code changes: `python -m project.native.live COMMAND`.

docker-compose.dev.yml mounts the code and makes this the entrypoint. It does in each container what `make dev` does.
"""

import os
import sys
from pathlib import Path

from project.native import preload, run_dir, supervisor
from project.native.load_app import load_app
from project.native.part import Part
from project.native.parts import script
from project.settings import get_settings

READY = "http://127.0.0.1:8000/producer/health/ready"


def part_of(command: list[str], folder: Path) -> Part:
    """Return the part that runs a service's command; *folder* is RUN_DIR."""
    command = [*script(command[0]), *command[1:]]
    if "worker" in command:
        name = command[command.index("--hostname") + 1].partition("@")[0]
        return Part(name, [*command, "--without-mingle"], probe=f"{folder}/{name}.alive", reload=True)
    if "beat" in command:
        return Part("scheduler", command, probe=f"{folder}/scheduler.alive", reload=True)
    return Part("producer", command, probe=READY, reload=True, listen="0.0.0.0:8000")


def main(command: list[str]) -> None:
    """Become the supervisor of one part, even if the code cannot be loaded yet."""
    settings = get_settings()
    folder = settings.run_dir
    part = part_of(command, folder)
    lock = run_dir.lock(folder)
    try:
        load_app()
    except SystemExit as error:
        print(error, flush=True)
    plan = supervisor.Plan(
        [part],
        str(folder),
        f"glassqueue: {part.name} restarts when the code changes",
        settings.shutdown_timeout + supervisor.GRACE,
        settings.folders_of_code,
        str(preload.write(folder)),
        logs=False,
    )
    supervisor.become(plan, lock, dict(os.environ))


if __name__ == "__main__":
    main(sys.argv[1:])
