"""`make doctor`: say in words what is reachable, what is missing, and how to mend it."""

import sys

from project.celery_config.app import create_celery_app
from project.health.checks import WITH_BACKUPS, run_checks
from project.health.services_check import checks_of_producer
from project.integrations.check import Check
from project.settings import Settings, get_settings


def main() -> None:
    """Print a line per part; exit with 1 if any has failed."""
    settings = get_settings()
    create_celery_app(settings)
    checks = run_checks(settings, WITH_BACKUPS)
    if settings.in_containers:
        checks = _with_those_of_the_producer(settings, checks)
    for check in checks:
        print("\n".join(_lines(check)))
    sys.exit(any(check.state == "failed" for check in checks))


def _with_those_of_the_producer(settings: Settings, checks: list[Check]) -> list[Check]:
    """Replace what this container cannot see, as it is not on the network `entrance`."""
    seen = checks_of_producer(settings)
    unknown = "not known: the producer, which is on its network, does not answer"
    return [
        seen.get(check.name) or Check(check.name, "failed", unknown, "mend the producer first")
        if check.name in ("NGINX", "Locust")
        else check
        for check in checks
    ]


def _lines(check: Check) -> list[str]:
    first = f"{check.state:8}{check.name:14}{check.found}"
    return [first, f"{'':22}-> {check.cure}"] if check.cure else [first]


if __name__ == "__main__":
    main()
