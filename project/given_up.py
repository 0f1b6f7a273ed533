"""Parts of the native stack that died too often: the supervisor notes each in RUN_DIR, and `make doctor` shows it.

The next `make up` forgets them, as it does the signs of life beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from project.integrations.check import Check

if TYPE_CHECKING:  # the supervisor, which loads this module, does without what the settings need
    from project.settings import Settings

SUFFIX = ".given-up"


def note(folder: str, name: str, how: str) -> None:
    """Remember that a part is not started again, and how it ended."""
    Path(folder, f"{name}{SUFFIX}").write_text(how)


def check(settings: Settings) -> Check:
    """Name the parts that are not started again."""
    if settings.in_containers:
        return Check("given up", "off", "Docker starts containers again")
    notes = sorted(settings.run_dir.glob(f"*{SUFFIX}"))
    if not notes:
        return Check("given up", "ok", "no part has died too often")
    found = "; ".join(f"{path.name.removesuffix(SUFFIX)}: {path.read_text()}" for path in notes)
    return Check(
        "given up", "failed", found, "read what they last said in the stack's output, mend it and run make up again"
    )
