"""The project's Celery app with tasks that only tests need; a worker runs it, and tests submit to it by name."""

import asyncio
import builtins
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from celery import signals
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.task import shared_task
from project.settings import Settings
from project.task_options.progress import report_progress
from project.task_options.retry import ALWAYS, ONCE
from project.worker import job_log, rejected_jobs
from tests.support import isolated_tasks

__all__ = ["app", "isolated_tasks"]


def redis() -> Redis:
    """Return a client of the Redis that the tests look at."""
    return Redis.from_url(os.environ["REDIS_URL"])


def pass_gate(name: str) -> None:
    """Record that a job has reached the gate, and wait until the test opens it."""
    client = redis()
    client.rpush(f"came:{name}", os.getpid())
    client.blpop([f"gate:{name}"], timeout=20)


@shared_task()
def walk(name: str) -> str:
    """Report, wait at a gate, and arrive."""
    report_progress(0.25, "a quarter")
    pass_gate(name)
    report_progress(1, "there")
    return name


@shared_task()
def report_at_first(name: str) -> None:
    """Report only when it runs for the first time."""
    if redis().incr(f"runs:{name}") == 1:
        report_progress(0.25, "a quarter")
    pass_gate(name)


@shared_task()
def report_often(seconds: float) -> None:
    """Report, and report again, for some seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report_progress(1 - left / seconds)
        time.sleep(0.01)
    print("report_often: done", flush=True)


@shared_task(retry_policy=ALWAYS)
def fail_times(name: str, times: int) -> int:
    """Fail this number of times, then return the number of runs."""
    runs = int(redis().incr(f"runs:{name}"))
    if runs <= times:
        raise ConnectionError(f"run {runs}")
    return runs


@shared_task(retry_policy=ONCE, final_errors=(LookupError,))
def fail_with(kind: str) -> None:
    """Fail with the built-in exception of that name."""
    raise getattr(builtins, kind)("on purpose")


@shared_task()
def look_away() -> None:
    """Have Celery record nothing."""
    raise Ignore


@shared_task()
def exhaust_memory() -> str:
    """Ask for more memory than there is."""
    return " " * 2**62


@shared_task(bind=True)
def fail_at_length(self: Any, letters: int, retry: bool) -> None:
    """Fail with a message of this length, finally or with a retry in a minute."""
    try:
        raise ValueError("ä" * letters, letters)
    except ValueError as error:
        if retry:
            raise self.retry(exc=error, countdown=60) from None
        raise


@shared_task()
def talk(name: str, fail: bool = False) -> None:
    """Write to standard output, standard error and a log, wait at a gate, and write again."""
    print("print", name, "in parts", end="")
    print(", then the rest\nand a second line")
    print("error of", name, file=sys.stderr)
    logging.getLogger("a.package").info("library of %s\nin two lines", name)
    pass_gate(name)
    print("no end of line of", name, end="")
    if fail:
        raise ValueError(f"{name}\nfails")


@shared_task()
async def talk_later(name: str) -> None:
    """Write to standard output and a log from the event loop."""
    await asyncio.sleep(0)
    print("coroutine of", name)
    logging.getLogger("a.package").info("library of the coroutine of %s", name)


@shared_task()
def talk_in_thread(name: str) -> None:
    """Write to standard output in a thread."""
    thread = threading.Thread(target=print, args=["thread of", name])
    thread.start()
    thread.join()


@shared_task(retry_policy=ALWAYS, soft_time_limit=1)
def never_ends() -> None:
    """Exceed the soft time limit."""
    time.sleep(20)


@shared_task(bind=True)
def receive(self: Any, given: Any) -> list[Any]:
    """Record the argument in Redis; return it with the ids of the parent and the root."""
    redis().rpush("received", json.dumps(given))
    return [given, self.request.parent_id, self.request.root_id]


@shared_task(run_after="receive", on_failure=receive, retry_policy=ONCE)
def parent(behaviour: str) -> dict[str, str]:
    """Succeed, fail, or fail at the first attempt only, depending on the argument."""
    first = redis().incr(f"parent:{behaviour}") == 1
    if behaviour == "fail" or (behaviour == "fail at first" and first):
        raise ValueError("on purpose", 7)
    return {"did": behaviour}


@shared_task(run_after=receive, on_failure=receive)
def end_after(seconds: float, well: bool) -> dict[str, bool]:
    """Run for some time without Redis, then succeed or fail."""
    print("end_after: begun", flush=True)
    time.sleep(seconds)
    print("end_after: done", flush=True)
    if not well:
        raise KeyError("nothing")
    return {"well": well}


@shared_task(bind=True, retry_policy=ALWAYS)
def go_on_after(self: Any, seconds: float, way: str) -> str:
    """Run for some time without Redis, then submit a child, or fail at the first attempt."""
    print(f"go_on_after: begun to {way}", flush=True)
    time.sleep(seconds)
    print(f"go_on_after: now {way}", flush=True)
    if way == "submit":
        return str(receive.delay("from go_on_after").id)
    if self.request.retries == 0:
        raise ConnectionError("on purpose")
    return way


@shared_task(bind=True)
def report_without_a_state(self: Any) -> None:
    """Report something, and leave out the state."""
    self.update_state(meta={"done": 3})


@shared_task(bind=True)
def report_a_state(self: Any, name: str) -> None:
    """Report a state of its own, and wait at a gate."""
    self.update_state(state="COUNTING", meta={"done": 3})
    pass_gate(name)


@shared_task(bind=True)
def try_again_later(self: Any, name: str) -> None:
    """Wait at a gate, then retry in a minute."""
    pass_gate(name)
    raise self.retry(countdown=60)


@shared_task(on_failure=receive, reject_on_worker_lost=False)
def die_slowly_or_at_once(slowly: bool) -> None:
    """Ignore the soft time limit and exceed the hard one, or kill its own process."""
    while slowly:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(20)
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task()
async def rest(seconds: float) -> tuple[int, int]:
    """Wait in the event loop, and return the ids of its process and its loop."""
    report_progress(0, "resting")
    await asyncio.sleep(seconds)
    return os.getpid(), id(asyncio.get_running_loop())


@shared_task(soft_time_limit=1)
async def rest_too_long() -> None:
    """Exceed the soft time limit, and record the cancellation in Redis."""
    try:
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        redis().rpush("cancelled", 1)
        raise


@shared_task()
async def fail_later(text: str) -> None:
    """Raise an error."""
    await asyncio.sleep(0)
    raise ValueError(text)


hoarded: list[bytes] = []


@shared_task()
def hoard(mebibytes: int) -> int:
    """Leak some memory and return the process id."""
    hoarded.append(os.urandom(mebibytes * 2**20))
    return os.getpid()


@signals.after_task_publish.connect(sender="receive")
def die_before_the_end(**_: Any) -> None:
    """Kill the process after it has submitted a child and before it writes its own result, if a test asks for it."""
    if redis().getdel("kill the parent"):
        os.kill(os.getpid(), signal.SIGKILL)


if "BROKER_URL" in os.environ:
    app = create_celery_app(Settings(_env_file=None))
    job_log.connect("INFO")
    rejected_jobs.connect()
