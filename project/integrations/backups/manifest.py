"""Describe the content of an archive in a file beside it, the manifest: `ftp-20261121T033000Z.tar.gz.json`.

The next backup is compared with it: a backup that has lost nearly everything is refused, because retention would then
delete the good ones.
"""

import json
import tarfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from project.integrations.backups.archives import MANIFEST, Backup, BackupError, Kind, all_of

Content = dict[str, int]  # such as {"files": 12, "bytes": 40_000}
Guard = Callable[[Content], None]
MOST = 10  # times as much may be in the newest archive
SHRUNK = (
    "there are {:,} {} where {} has {:,}: nothing was backed up or deleted; find the missing data or, if it was "
    "deleted on purpose, back up with accept_shrink=true"
)


class Shrunk(BackupError):
    """The backup is so much smaller than the newest archive that something is probably wrong."""


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the manifest of the archive at *path*."""
    path.with_name(path.name + MANIFEST).write_text(json.dumps(content, indent=2) + "\n")


def accept(content: Content) -> None:
    """Accept any content."""


def guard(folder: Path, kind: Kind, accept_shrink: bool) -> Guard:
    """Return a guard that refuses content smaller than a tenth of the newest readable archive of a kind."""

    def refuse(content: Content) -> None:
        """Raise Shrunk if a number is too small."""
        known = ((backup, before) for backup in all_of(folder, kind) if (before := _content(backup)))
        for backup, before in islice(known, 1):
            for unit, number in content.items():
                if MOST * number < before.get(unit, 0):
                    raise Shrunk(SHRUNK.format(number, unit, backup.path.name, before[unit]))

    return accept if accept_shrink else refuse


def _content(backup: Backup) -> Content:
    """Return the content of an archive; it is unknown, {}, for a broken one and for a database without a manifest."""
    try:
        content = json.loads(backup.manifest_path.read_text())["content"]
        return {str(unit): int(number) for unit, number in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return _counted(backup.path) if backup.path.suffix == ".gz" else {}


def _counted(path: Path) -> Content:
    try:
        with tarfile.open(path, "r:gz") as tar:
            sizes = [member.size for member in tar]
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error):  # cut, encrypted, or no archive
        return {}
    return {"files": len(sizes), "bytes": sum(sizes)}
