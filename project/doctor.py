"""`make doctor`: say in words what is reachable, what is missing, and how to mend it."""

import sys

from project.celery_config.app import create_celery_app
from project.checks import WITH_BACKUPS, run_checks
from project.integrations.checks import Check
from project.settings import get_settings


def main() -> None:
    """Print a line per part; exit with 1 if any has failed."""
    settings = get_settings()
    create_celery_app(settings)
    checks = run_checks(settings, WITH_BACKUPS)
    for check in checks:
        print("\n".join(_lines(check)))
    sys.exit(any(check.state == "failed" for check in checks))


def _lines(check: Check) -> list[str]:
    first = f"{check.state:8}{check.name:14}{check.found}"
    return [first, f"{'':22}-> {check.cure}"] if check.cure else [first]


if __name__ == "__main__":
    main()
