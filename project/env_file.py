"""Read `.env` as Docker Compose reads it, and refuse lines that Compose would interpret in a surprising way.

`make up` and Compose share this file. Compose replaces `$NAME`, interprets backslashes in double quotes and treats `
#` as a comment (https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/); python-dotenv
differs from it in each of these. In single quotes every character is literal, except a quote, which needs a backslash
before it.
"""

import os
import re
from pathlib import Path

from project.startup import ROOT

#: GLASSQUEUE_ENV_FILE names another file; tests read none.
NAMED = os.environ.get("GLASSQUEUE_ENV_FILE") or ""
PATH = ROOT / (NAMED or ".env")
OTHERS = ("COMPOSE_", "DOCKER_")  # settings of Docker itself, which may be in the same file

_NAME = re.compile(r"\s*(?:export\s+)?([^\s=]+)\s*=\s*(.*?)\s*")
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'(?:\s+#.*)?")
_DOUBLE = re.compile(r'"([^"\\$]*)"(?:\s+#.*)?')
_PLAIN = re.compile(r"""(?!['"#])(?:(?!\s#)[^$])*""")


class EnvFileError(ValueError):
    """Invalid lines, each with its number and a correction, but without its value."""


def read(path: Path) -> dict[str, str]:
    """Return the non-empty settings in a file; a missing file has none, unless GLASSQUEUE_ENV_FILE names it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        if path.is_symlink() or path == ROOT / NAMED:
            raise EnvFileError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise EnvFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise EnvFileError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    values, problems = {}, []
    for number, line in enumerate(re.split(r"\r?\n", text), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                name, value = _parse(line)
                values[name] = value
            except ValueError as error:
                problems.append(f"{path}, line {number}: {error}")
    if problems:
        raise EnvFileError("\n".join(problems))
    return {name: value for name, value in values.items() if value and not name.startswith(OTHERS)}


def _parse(line: str) -> tuple[str, str]:
    """Return the name and the value of a line; raise ValueError, without the value, if the line is invalid."""
    parts = _NAME.fullmatch(line)
    if not parts or not re.fullmatch("[A-Z_][A-Z0-9_]*", parts[1]):
        raise ValueError("a line is NAME=value, with the name in capital letters, or a comment that begins with #")
    name, value = parts.groups()
    if not value.replace("\t", " ").isprintable():
        raise ValueError(f"{name} contains an invisible character; type the value again")
    if match := _SINGLE.fullmatch(value):
        return name, match[1].replace("\\'", "'")
    if match := _DOUBLE.fullmatch(value) or _PLAIN.fullmatch(value):
        return name, match[1] if match.re is _DOUBLE else match[0]
    raise ValueError(f"{name} contains $, #, a quote or a backslash: {_cure(name)}")


def _cure(name: str) -> str:
    return (
        f"write {name}='...' in single quotes, in which every character is literal and only ' is written as \\', "
        "and put a comment on a line of its own"
    )
