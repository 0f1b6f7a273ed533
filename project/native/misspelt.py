"""Names of settings that are misspelt in the environment or on the line of `make`, where nothing else would notice."""

import os
import re
import sys
from difflib import get_close_matches

from project.settings import Settings

MAKES_OWN = {"ARGS", "STORM_SEED", "TESTS", "UPGRADE"}  # variables of the Makefile itself
SIMILAR = 0.9  # of 1: CONSUMER is meant to be CONSUMERS, HTTP_PROXY is a name of its own


def refuse_misspelt_settings() -> None:
    """Stop with one line for each name that is no setting, but must be meant as one."""
    names = {name.upper() for name in Settings.model_fields}
    known = names | {f"{name}_FILE" for name in names} | MAKES_OWN
    wrong = [name for name in _on_make_line() if name not in known]
    wrong += [name for name in os.environ if name not in known and _similar(name, names) and name not in wrong]
    if wrong:
        sys.exit("\n".join(_explain(name, names) for name in wrong))


def _on_make_line() -> list[str]:
    """Return the names in `make up NAME=value`; make hands them on in MAKEFLAGS, with the spaces in values escaped."""
    _, _, given = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    return re.findall(r"(?<!\\)(?:^|\s)([A-Za-z_]\w*)=", given)


def _similar(name: str, names: set[str], least: float = SIMILAR) -> list[str]:
    return get_close_matches(name, names, n=1, cutoff=least)


def _explain(name: str, names: set[str]) -> str:
    meant = _similar(name.upper(), names, least=0.6)
    hint = f"did you mean {meant[0]}? " if meant else ""
    return f"glassqueue: {name}: there is no such setting; {hint}(see .env.example)"
