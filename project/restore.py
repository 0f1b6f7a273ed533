"""Restore a backup of the database while the stack is stopped: `python -m project.restore NAME`."""

import sys

from project.integrations.backups import database_dump
from project.integrations.backups.archives import BackupError
from project.integrations.backups.postgres_dump import PostgresFailed
from project.integrations.database.migrations import NewerDatabase
from project.settings import get_settings
from project.task_options.progress import report_progress


def main() -> None:
    """Restore the backup that the command line names, or exit with one line that gives the reason."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m project.restore database-20261121T030000Z.sqlite3")
    try:
        summary = database_dump.restore(get_settings(), sys.argv[1], report_progress)
    except (BackupError, NewerDatabase, PostgresFailed, ValueError, OSError) as error:
        sys.exit(f"glassqueue: cannot restore {sys.argv[1]}: {error}")
    print(f"glassqueue: restored {summary['name']}, of {summary['made_at']}")
    for kind in ("dropped", "skipped_rights"):
        for each in summary.get(kind, []):
            print(f"  {kind.replace('_', ' ')}: {each}")


if __name__ == "__main__":
    main()
