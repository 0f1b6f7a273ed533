"""Record the parts that the supervisor no longer restarts in RUN_DIR, for `make doctor`.

The next `make up` deletes these files.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from project.check import Check

if TYPE_CHECKING:  # the supervisor loads this module, but not the dependencies of the settings
    from project.settings import Settings

SUFFIX = ".given-up"


def note(folder: str, name: str, how: str) -> None:
    """Record that a part is not restarted, and how it ended, unless the disk is full or the folder was deleted."""
    with suppress(OSError):
        Path(folder, f"{name}{SUFFIX}").write_text(how)


def forget(folder: str, name: str) -> None:
    """Record that a part runs again."""
    Path(folder, f"{name}{SUFFIX}").unlink(missing_ok=True)


def check(settings: Settings) -> Check:
    """Name the parts that are not restarted."""
    if settings.in_containers:
        return Check("given up", "off", "Docker restarts containers")
    notes = sorted(settings.run_dir.glob(f"*{SUFFIX}"))
    if not notes:
        return Check("given up", "ok", "no part has exited too often")
    found = "; ".join(f"{path.name.removesuffix(SUFFIX)}: {path.read_text()}" for path in notes)
    return Check(
        "given up", "failed", found, "read their last output in the stack's log, fix the cause and run make up again"
    )
