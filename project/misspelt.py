"""Find misspelt settings in the environment and on the command line of `make`, which would otherwise be ignored.

The commands of the Makefile refuse them, else `make reset PORT_OFSET=100` would delete the jobs of another stack. In
containers, where the lines of `.env` are part of the environment, each process that loads the app prints a warning.
This module reads the environment directly, because it looks for names that are not settings.
"""

import os
import re
import sys
from difflib import get_close_matches

from project.settings import Settings, get_settings

MAKES_OWN = {"ARGS", "JOB", "PART", "QUEUE", "STORM_SEED", "TESTS", "UPGRADE"}  # variables of the Makefile
SETTINGS = {name.upper() for name in Settings.model_fields}
SETTINGS |= {f"{name}_FILE" for name in SETTINGS} | {"GLASSQUEUE_ENV_FILE", "GLASSQUEUE_URL"}
# least similarity, 0 to 1: higher in a shell, because it may have names such as PG_PASSWORD; a container has few others
IN_SHELL, IN_CONTAINER, AS_HINT = 0.9, 0.8, 0.6
DOLLAR = "{name} contains a $, which make replaces; set it before the command: {name}='...' make up"


def refuse_misspelt_settings() -> None:
    """Exit with one line for each name that is probably a misspelt setting, except in containers.

    Exit also if `make` has changed a value: it replaces $$ by $, and $w by nothing.
    """
    if get_settings().in_containers:
        return
    given = _on_make_line()
    wrong = {name: _explain(name) for name in given if name not in SETTINGS | MAKES_OWN}
    wrong |= {name: DOLLAR.format(name=name) for name, value in given.items() if name in SETTINGS and "$" in value}
    wrong = {name: _explain(name) for name in _in_environment(IN_SHELL)} | wrong
    if wrong:
        sys.exit("\n".join(f"glassqueue: {reason}" for reason in wrong.values()))


def warn_of_misspelt_settings() -> None:
    """Print one line with all such names in a container's environment."""
    wrong = _in_environment(IN_CONTAINER)
    if wrong:
        print(f"glassqueue: warning: {'; '.join(map(_explain, wrong))}", file=sys.stderr, flush=True)


def _on_make_line() -> dict[str, str]:
    """Return names and values of `make up NAME=value` and NAME:=value as they were typed, which make has in MAKEFLAGS.

    It doubles each $, and puts a backslash before spaces and backslashes.
    """
    _, _, given = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    return dict(re.findall(r"(?:^|(?<=\s))([A-Za-z_][\w-]*):*=((?:\\.|[^\s\\])*)", given))


def _in_environment(least: float) -> list[str]:
    known = SETTINGS | MAKES_OWN
    return [name for name in os.environ if name not in known and _meant(name, least)]


def _meant(name: str, least: float) -> str:
    """Return the setting that a name resembles, or of which it is an anagram; else ""."""
    upper = name.upper()
    similar = get_close_matches(upper, SETTINGS, n=1, cutoff=least)
    return similar[0] if similar else next((known for known in SETTINGS if sorted(known) == sorted(upper)), "")


def _explain(name: str) -> str:
    meant = _meant(name, AS_HINT)
    hint = f"did you mean {meant}? " if meant else ""
    return f"{name}: there is no such setting; {hint}(see .env.example)"


if __name__ == "__main__":
    refuse_misspelt_settings()
