"""The Celery app of the transport's tests; it counts runs in Redis so that duplicates show."""

import ctypes
import os
import signal
import time
from functools import partial
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject
from redis import Redis

from project.brokers import broker_for
from project.leased_transport import celery_settings
from project.settings import Settings

#: States that a job may report.
STATES = {"none": None, "empty": "", "started": "STARTED", "a boolean": True, "half a surrogate pair": "\udcff"}

TRANSPORT_OPTIONS = {"recent_limit", "health_check_interval"}


def create_app(url: str, socket_timeout: float = 1.0, **settings: Any) -> Celery:
    """Return an app with the test tasks on the broker at *url*, with the transport's and Celery's own backends.

    Settings may include transport options that the project does not set.
    """
    extra = stock_options(url) | {name: settings.pop(name) for name in TRANSPORT_OPTIONS & settings.keys()}
    app = Celery("tests", set_as_current=False)
    broker = broker_for(Settings(_env_file=None, broker_url=url, redis_timeout=socket_timeout, **settings))
    broker.attach(app)
    app.conf.update(broker.celery_options())
    app.conf.result_backend = celery_settings(url)["result_backend"] if broker.kind == "leased" else broker.url
    app.conf.update(worker_hijack_root_logger=False, worker_send_task_events=True, task_send_sent_event=True)
    app.conf.result_extended = "RESULT_EXTENDED" in os.environ
    app.conf.update(broker_transport_options=app.conf.broker_transport_options | extra)
    register(app)
    return app


def stock_options(url: str) -> dict[str, Any]:
    """Make kombu's own transport restore jobs as fast as it can; its default is an hour."""
    quick = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    return quick if url.startswith("redis+stock") else {}


def count_run(name: str) -> None:
    """Record in Redis that a job named *name* has started."""
    Redis.from_url(os.environ["BROKER_URL"].replace("+stock", "")).rpush(f"runs:{name}", os.getpid())


def register(app: Celery) -> None:
    """Declare the test tasks."""
    task = partial(app.task, shared=False)

    @task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    @task(name="note")
    def note(name: str) -> str:
        count_run(name)
        return name

    @task(name="nap")
    def nap(name: str, seconds: float) -> int:
        count_run(name)
        time.sleep(seconds)
        return os.getpid()

    @task(name="limited", rate_limit="2/s")
    def limited() -> int:
        return os.getpid()

    @task(name="grip")
    def grip(name: str, seconds: int) -> int:
        count_run(name)
        ctypes.PyDLL(None).sleep(seconds)  # unlike CDLL it keeps the interpreter's lock
        return os.getpid()

    @task(name="fail")
    def fail(text: str) -> None:
        raise ValueError(text)

    @task(name="file")
    def file() -> None:
        raise FileNotFoundError(os.fsdecode(b"report\xff.txt"))

    @task(name="die")
    def die(name: str) -> None:
        count_run(name)
        os.kill(os.getpid(), signal.SIGKILL)

    register_protocol_tasks(task)
    register_reporting_tasks(task)


def register_protocol_tasks(task: Any) -> None:
    """Declare the tasks that use Celery's less common ways to end."""

    @task(name="priority", bind=True)
    def priority(self: Any) -> Any:
        return self.request.delivery_info["priority"]

    @task(name="again", bind=True)
    def again(self: Any, name: str, times: int, countdown: float = 0.2) -> int:
        count_run(name)
        if self.request.retries < times:
            raise self.retry(countdown=countdown, max_retries=times)
        return int(self.request.retries)

    @task(name="held_back", rate_limit="30/m")
    def held_back(name: str) -> None:
        count_run(name)

    @task(name="quiet", ignore_result=True)
    def quiet() -> int:
        return 1

    @task(name="ignore")
    def ignore() -> None:
        raise Ignore

    @task(name="reject")
    def reject() -> None:
        raise Reject("no", requeue=False)

    @task(name="total")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @task(name="replace", bind=True)
    def replace(self: Any, x: int) -> Any:
        add = self.app.tasks["add"]
        return self.replace(add.s(x, 1) | add.s(10))


def register_reporting_tasks(task: Any) -> None:
    """Declare the tasks that report while they run, and one that fails only once."""

    @task(name="fail_once")
    def fail_once(name: str) -> int:
        count_run(name)
        if Redis.from_url(os.environ["BROKER_URL"]).llen(f"runs:{name}") == 1:
            raise ValueError("the first run fails")
        return 1

    @task(name="progress", bind=True)
    def progress(self: Any, seconds: float) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})
        time.sleep(seconds)

    @task(name="report", bind=True)
    def report(self: Any, state: str) -> str:
        count_run(state)
        self.update_state(state=STATES[state], meta={"done": 3})
        return state


if "BROKER_URL" in os.environ:  # a worker process
    numbers: dict[str, Any] = {
        "lease": float,
        "socket_timeout": float,
        "max_attempts": int,
        "health_check_interval": float,
    }
    given = {name: read(os.environ[name.upper()]) for name, read in numbers.items() if name.upper() in os.environ}
    app = create_app(os.environ["BROKER_URL"], **given)
