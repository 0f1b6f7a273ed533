"""What is in an archive, in a file beside it: `ftp-20261121T033000Z.tar.gz.json`.

The next backup is compared with it: one that has lost nearly everything is refused, as it would push the good ones out.
"""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project.integrations.backups.archives import MANIFEST, Backup, BackupError, Kind, all_of

Content = dict[str, int]  # such as {"files": 12, "bytes": 40_000}
Guard = Callable[[Content], None]
LEAST = 0.1  # of the newest archive
SHRUNK = (
    "there are {:,} {} where {} has {:,}: nothing was backed up or deleted; see where the others are or, if they may "
    "be gone, back up with accept_shrink=true"
)


class Shrunk(BackupError):
    """There is so much less than in the newest archive that something is probably wrong."""


def write(path: Path, told: dict[str, Any]) -> None:
    """Write the manifest of the archive at *path*."""
    path.with_name(path.name + MANIFEST).write_text(json.dumps(told, indent=2) + "\n")


def accept(content: Content) -> None:
    """Accept any content."""


def guard(folder: Path, kind: Kind, accept_shrink: bool) -> Guard:
    """Return what refuses content that is less than a tenth of what the newest archive of a kind has."""

    def refuse(content: Content) -> None:
        for backup in all_of(folder, kind)[:1]:
            before = _content(backup)
            for unit, number in content.items():
                if number < LEAST * before.get(unit, 0):
                    raise Shrunk(SHRUNK.format(number, unit, backup.path.name, before[unit]))

    return accept if accept_shrink else refuse


def _content(backup: Backup) -> Content:
    """Return what an archive has; of a database without a manifest that is unknown."""
    try:
        content = json.loads(backup.manifest_path.read_text())["content"]
        return {str(unit): int(number) for unit, number in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return _counted(backup.path) if backup.path.suffix == ".gz" else {}


def _counted(path: Path) -> Content:
    with tarfile.open(path) as tar:
        sizes = [member.size for member in tar]
    return {"files": len(sizes), "bytes": sum(sizes)}
