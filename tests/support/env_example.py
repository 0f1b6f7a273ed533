"""What `.env.example` says about each setting."""

import re
from dataclasses import dataclass
from pathlib import Path

_LINES = re.compile(
    r"^# --- (?P<section>.+?) -+$|^# (?P<reason>.+)$|^#(?P<name>[A-Z_]+)=(?P<default>.*)$|^(?P<end>)$", re.MULTILINE
)


@dataclass(frozen=True)
class Documented:
    """One setting as `.env.example` documents it."""

    name: str
    default: str
    reason: str
    section: str


def documented() -> list[Documented]:
    """Return the settings in their order; the comment above a setting is its reason."""
    found, section, reason = [], "", ""
    for line in _LINES.finditer(Path(".env.example").read_text()):
        if line["section"]:
            section, reason = line["section"], ""
        elif line["reason"]:
            reason = f"{reason} {line['reason']}".strip()
        elif line["name"]:
            found.append(Documented(line["name"], line["default"], reason, section))
            reason = ""
        else:
            reason = ""
    return found
