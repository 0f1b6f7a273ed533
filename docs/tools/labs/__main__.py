"""`make lab` lists the labs, `make lab N=04` does one with its reader, `make labs` does all without questions."""

import argparse
import os
import random
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docs.tools.labs.lab import Lab, labs
from docs.tools.labs.runner import Runner
from project import env_file
from project.settings import Settings

PORTS = ("HTTP_PORT", "REDIS_PORT", "PRODUCER_PORT", "SMTP_PORT")


def main() -> int:
    """Run what the command line names; return the exit code."""
    parser = argparse.ArgumentParser("python -m docs.tools.labs")
    parser.add_argument("number", nargs="?", help="the lab to do, such as 04; without it, list the labs")
    parser.add_argument("--all", action="store_true", help="do all labs in random order, without questions")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000), help="repeat an order")
    chosen = parser.parse_args()
    isolate_environment()
    if chosen.all:
        return _all(chosen.seed)
    if not chosen.number:
        return _list()
    found = [lab for lab in labs() if int(lab.number) == int(chosen.number)]
    return _one(found[0]) if found else sys.exit(f"glassqueue: there is no lab {chosen.number}; `make lab` lists them")


def isolate_environment() -> None:
    """Ignore the student's .env and the settings in the shell, which could change what a lab shows."""
    from_make = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "N", "SEED")  # the stack would take N for a misspelt setting
    for name in (*map(str.upper, Settings.model_fields), *from_make):
        os.environ.pop(name, None)
    os.environ["GLASSQUEUE_ENV_FILE"] = os.devnull
    env_file.PATH = Path(os.devnull)


def _list() -> int:
    for lab in labs():
        print(f"  {lab.title:<52} {lab.front['minutes']:>2} min   {lab.path}")
    print("\n  make lab N=04 does one with you; make labs does all without questions")
    return 0


def _all(seed: int) -> int:
    """Do all labs in random order; print the time of each, and what failed."""
    chosen, failed = labs(), []
    random.Random(seed).shuffle(chosen)
    print(f"random order of seed {seed}", flush=True)
    with _folder() as folder:
        for lab in chosen:
            if error := _failure(lab, folder / lab.number):
                failed.append(f"{lab.path}\n{error}")
    print("\n\n".join(failed) or "all labs behave as described")
    return bool(failed)


def _failure(lab: Lab, folder: Path) -> str:
    runner = Runner(folder, say=_nothing)
    try:
        seconds = runner.run(lab)
    except Exception:  # whatever it is, the other labs are still to be done
        print(f"FAILED   {lab.title}", flush=True)
        return traceback.format_exc(limit=-2)
    finally:
        runner.close()
    late = f"   over its budget of {lab.front['budget']} s" if seconds > int(lab.front["budget"]) else ""
    print(f"{seconds:5.0f} s  {lab.title}{late}", flush=True)
    return ""


def _one(lab: Lab) -> int:
    """Ask for the prediction, do the lab step by step, and set what happened beside the prediction."""
    print(f"\n{lab.title}\n\n{lab.question}\n")
    for letter, choice in lab.choices.items():
        print(f"  {letter}. {choice}")
    guess = _ask("\nYour prediction (A, B or C): ").strip().upper()[:1]
    print("\nEnter runs each command. The runner works in a copy of the project; your files stay as they are.")
    with _folder() as folder:
        runner = Runner(folder, print, _wait_for_enter, **_free_defaults())
        try:
            runner.run(lab)
        except (AssertionError, RuntimeError) as error:
            sys.exit(f"glassqueue: this went differently from what the lab shows: {error}")
        finally:
            runner.close()
    return _verdict(lab, guess)


def _verdict(lab: Lab, guess: str) -> int:
    answer = lab.front["answer"]
    print(f"\nYou predicted {guess or 'nothing'}. What happened is {answer}: {lab.choices[answer]}")
    if guess in lab.misconceptions:
        print(f"The misconception behind {guess}: {lab.misconceptions[guess]}")
    print(f"\n{lab.sections['Explain']}\n\nNow you\n\n{lab.sections['Now you']}")
    return 0


def _ask(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        return ""


def _wait_for_enter() -> None:
    _ask("")


def _nothing(line: str) -> None:
    """Print nothing."""


def _free_defaults() -> dict[str, str]:
    """Return the ports of `make up` if they are free, so that links and commands are right as they are written."""
    wanted = {name: str(Settings.model_fields[name.lower()].default) for name in PORTS}
    return wanted if all(_is_free(int(port)) for port in wanted.values()) else {}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="glassqueue-lab-") as name:
        yield Path(name)


if __name__ == "__main__":
    sys.exit(main())
