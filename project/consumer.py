"""The Celery app: `celery --app project.consumer worker` (or beat, flower, shell)."""

import sys
from typing import Any

from celery import signals

from project import misspelt
from project.brokers import switching
from project.celery_config.app import create_celery_app
from project.settings import get_settings
from project.startup import explained
from project.worker import announce, breakpoints, chaos, heartbeat, job_log, liveness, rejected_jobs, shutdown, stopping

settings = get_settings()
if settings.in_containers:
    misspelt.warn_of_misspelt_settings()
with explained():
    app = create_celery_app(settings, settings.modules_of_tasks)
shutdown.connect(app)  # before job_log: when the log says that a job has started, shutdown already waits for it
job_log.connect(settings.log_level)
breakpoints.connect()
stopping.connect()
if settings.chaos:
    chaos.connect()
heartbeat.connect()
liveness.connect(settings.run_dir)  # after the heartbeat: a consumer is listed before it counts as up
announce.connect(settings.card_ttl)
switching.connect()
rejected_jobs.connect()

# Queues with their own consumers in native/parts.py and docker-compose.yml, so that no job waits behind a backup
OWN_CONSUMERS = ("notifications", "maintenance")


def chosen_queues() -> list[str]:
    """Return the queues of CONSUMER_QUEUES, or by default all queues that have no consumers of their own.

    Exit if there is no such queue: Celery would create it, and it would stay empty.
    """
    chosen = [name.strip() for name in settings.consumer_queues.split(",") if name.strip()]
    for name in chosen:
        if name not in app.amqp.queues:
            known = ", ".join(sorted(app.amqp.queues))
            sys.exit(
                f"glassqueue: CONSUMER_QUEUES: no queue is called {name!r}; choose from {known} (see .env.example)"
            )
    return chosen or [name for name in app.amqp.queues if name not in OWN_CONSUMERS]


@signals.celeryd_init.connect
def serve_chosen_queues(**_: Any) -> None:
    """Serve only the chosen queues."""
    app.amqp.queues.select(chosen_queues())
