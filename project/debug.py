"""Run a consumer in this terminal, one job at a time, so that breakpoint() works: `make debug QUEUE=cpu`."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from project import misspelt, setting_sources
from project.celery_config.app import create_celery_app
from project.errors import BrokerUnavailable, DamagedKey
from project.jobs.service import Jobs
from project.settings import get_settings
from project.startup import explained

ENVIRONMENT = {"CONSUMER_POOL": "solo", "CONSUMER_SLOTS": "1"}


def main(words: list[str]) -> None:
    """Become a consumer of the given queues, unless other consumers would fetch their jobs."""
    misspelt.refuse_misspelt_settings()
    queues = {name.strip() for word in words for name in word.split(",") if name.strip()}
    if not queues:
        sys.exit("glassqueue: QUEUE is missing: name a queue, such as make debug QUEUE=cpu")
    with explained():
        jobs = Jobs(create_celery_app(get_settings()), get_settings())
    try:
        others = [consumer.name for consumer in jobs.consumers() if queues & set(consumer.queues)]
    except BrokerUnavailable:
        sys.exit("glassqueue: Redis does not answer: start the stack first, with make up CONSUMERS=0")
    except DamagedKey as error:
        sys.exit(f"glassqueue: {error}")
    if others:
        sys.exit(
            f"glassqueue: {', '.join(others)} would fetch jobs of {', '.join(sorted(queues))}, too: start the stack "
            "without consumers, with make up CONSUMERS=0 or docker compose up --scale consumer=0"
        )
    _become_consumer(queues)


def _become_consumer(queues: set[str]) -> NoReturn:
    command = [sys.executable, str(Path(sys.executable).parent / "celery"), "--app", "project.consumer", "worker"]
    environment = setting_sources.overriding(ENVIRONMENT | {"CONSUMER_QUEUES": ",".join(sorted(queues))})
    os.execve(sys.executable, [*command, "--hostname", "debug@%h"], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
