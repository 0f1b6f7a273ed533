"""Check the stack and suggest fixes: `make doctor`."""

import signal
import sys

from project import misspelt
from project.celery_config.app import create_celery_app
from project.check import Check
from project.health.checks import WITH_BACKUPS, run_checks
from project.health.services_check import checks_of_producer
from project.settings import Settings, get_settings
from project.startup import explained


def main() -> None:
    """Print a line per check; exit with 1 if any has failed."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `head` or `less` stops reading
    misspelt.refuse_misspelt_settings()
    settings = get_settings()
    with explained():
        create_celery_app(settings)
    checks = run_checks(settings, WITH_BACKUPS)
    if settings.in_containers:
        checks = _with_those_of_the_producer(settings, checks)
    for check in checks:
        print("\n".join(_lines(check)))
    sys.exit(any(check.state == "failed" for check in checks))


def _with_those_of_the_producer(settings: Settings, checks: list[Check]) -> list[Check]:
    """Replace the checks that fail here because this container is not in the network `entrance`."""
    seen = checks_of_producer(settings)
    unknown = "unknown: the producer, which is in its network, does not answer"
    return [
        seen.get(check.name) or Check(check.name, "failed", unknown, "fix the producer first")
        if check.name in ("NGINX", "Locust")
        else check
        for check in checks
    ]


def _lines(check: Check) -> list[str]:
    first = f"{check.state:8}{check.name:14}{check.found}"
    return [first, f"{'':22}-> {check.cure}"] if check.cure else [first]


if __name__ == "__main__":
    main()
