"""The Celery app under measurement; BROKER_URL chooses the transport (redis:// or redis+stock://)."""

import os
import time

from celery import Celery, Task

from project.brokers import broker_for
from project.celery_config.task import JobTask
from project.settings import Settings


class LeasedTask(JobTask):
    """A task as this project declares it, in Celery's default queue."""

    queue_name = "celery"


def create_app(url: str) -> Celery:
    """Return an app with the measured tasks; stock Celery runs with its own defaults."""
    app = Celery("benchmark", set_as_current=False)
    if url.startswith("redis+stock://"):
        plain = url.replace("+stock", "")
        app.conf.update(dict.fromkeys(("broker_read_url", "broker_write_url", "result_backend"), plain))
    else:
        broker = broker_for(Settings(_env_file=None, broker_url=url, redis_timeout=5))
        broker.attach(app)
        app.conf.update(broker.celery_options())
    app.conf.update(worker_send_task_events=os.environ.get("EVENTS") == "1", worker_hijack_root_logger=False)

    base = Task if url.startswith("redis+stock://") else LeasedTask

    @app.task(name="sum_to_n", shared=False, base=base)
    def sum_to_n(number: int) -> int:
        return sum(range(number + 1))

    @app.task(name="nap", shared=False, base=base)
    def nap(seconds: float) -> None:
        time.sleep(seconds)

    return app


if "BROKER_URL" in os.environ:
    app = create_app(os.environ["BROKER_URL"])
