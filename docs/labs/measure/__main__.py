"""Run an experiment: `.venv/bin/python -m docs.labs.measure burst wait_and_return seconds=1 --jobs 8`."""

import argparse
import json
from typing import Any

from docs.labs.measure import answers, experiments, load

EXPERIMENTS = {
    "watch": (experiments.watch, "job_id"),
    "burst": (experiments.burst, "task arguments --jobs --name --priority"),
    "report": (experiments.report, "job_id --name"),
    "waves": (experiments.waves, "task arguments --jobs --name"),
    "load": (load.load, "--utilisation --jobs --name"),
    "fill": (answers.fill, "task arguments --jobs --limit --name"),
    "cut": (answers.cut, "task arguments --key"),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "--jobs": {"type": int, "default": 1, "help": "how many jobs"},
    "--limit": {"type": int, "help": "QUEUE_LIMIT: submit as many jobs and go on until they are refused"},
    "--name": {"default": "burst", "help": "the name before what is printed"},
    "--priority": {"type": int, "help": "0 is the most urgent, 9 the least"},
    "--utilisation": {"type": float, "default": 0.5, "help": "arrivals per second, times seconds per job"},
    "--key": {"help": "the Idempotency-Key"},
    "arguments": {"nargs": "*", "metavar": "NAME=VALUE"},
}


def main() -> None:
    """Parse the command line and run the experiment."""
    parser = argparse.ArgumentParser("python -m docs.labs.measure")
    commands = parser.add_subparsers(dest="experiment", required=True)
    for name, (run, takes) in EXPERIMENTS.items():
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        for option in takes.split():
            command.add_argument(option, **OPTIONS.get(option, {}))
    chosen = parser.parse_args()
    if hasattr(chosen, "arguments"):
        pairs = (word.partition("=") for word in chosen.arguments)
        chosen.arguments = {name: _value(value) for name, _, value in pairs}
    EXPERIMENTS[chosen.experiment][0](chosen)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
