"""How consumers behave: they share, stop politely, come back, and say what they do."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.http import finished, look_up, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = pytest.mark.stack(CONSUMERS=2, CONSUMER_SLOTS=1, SHUTDOWN_TIMEOUT=1)

FLOOD = """
from project.consumer import app
app.tasks["sum"].submit_many([{"number": 200_000}] * 2000)
"""


def _main_process(stack: NativeStack, job: dict[str, str]) -> int:
    """Return the main process of the consumer that runs the job."""
    return stack.pids("worker", f"{job['consumer'].partition('@')[0]}@%h")[0]


def _waiting(http: httpx.Client, queue: str) -> int:
    (found,) = [each for each in http.get("/producer/api/queues").json() if each["queue"] == queue]
    return int(found["waiting"])


def _running(http: httpx.Client, job_id: str) -> dict[str, str]:
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
    return look_up(http, "wait_and_return", job_id)


def test_consumers_share_the_load(http: httpx.Client) -> None:
    """No consumer takes more than it can run, so of six equal jobs each does three, or a slow one two."""
    jobs = [submit(http, "wait_and_return", seconds=0.5) for _ in range(6)]
    consumers = [finished(http, "wait_and_return", job_id)["consumer"] for job_id in jobs]
    assert sorted(consumers.count(name) for name in set(consumers)) in ([2, 4], [3, 3])


@pytest.mark.heavy
def test_a_flood_in_one_queue_does_not_hold_a_job_of_another_up(stack: NativeStack, http: httpx.Client) -> None:
    """Consumers that serve both queues run the one job of `default` while many of 2,000 sums still wait in `cpu`."""
    subprocess.run([sys.executable, "-c", FLOOD], env=stack.environment, check=True)
    finished(http, "wait_and_return", submit(http, "wait_and_return", seconds=0))
    assert _waiting(http, "cpu") > 200  # in its turn it starts at once; what else passes is the time to ask for it
    wait_until(lambda: _waiting(http, "cpu") == 0, 300)


def test_a_stopping_consumer_hands_its_job_back(stack: NativeStack, http: httpx.Client) -> None:
    """SIGTERM: the job is not done within SHUTDOWN_TIMEOUT, so another consumer does it."""
    job_id = submit(http, "wait_and_return", seconds=4, message="handed back")
    first = _running(http, job_id)
    os.kill(_main_process(stack, first), signal.SIGTERM)
    job = finished(http, "wait_and_return", job_id)
    assert (job["status"], job["result"]) == ("SUCCESS", "handed back")
    assert job["attempts"] == 2
    wait_until(lambda: re.search(f"glassqueue.job: handed back job_id={job_id} ", stack.log))


def test_a_stack_stops_as_soon_as_its_jobs_have_ended(tmp_path: Path) -> None:
    """No consumer uses up SHUTDOWN_TIMEOUT, and no job is handed back."""
    stack = NativeStack(tmp_path / "run", SHUTDOWN_TIMEOUT=60)
    with stack, stack.client() as http:
        job_id = submit(http, "wait_and_return", seconds=2)
        _running(http, job_id)
        stack.stop()
        assert f"success job_id={job_id}" in stack.log
        assert "handed back" not in stack.log


def test_a_killed_consumer_is_started_again(stack: NativeStack, http: httpx.Client) -> None:
    """Neither the stack nor the other consumer goes down with it, and its pool does not stay behind."""
    before = stack.pids("worker", "consumer.1@%h")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(stack.pids("worker", "consumer.1@%h")) >= 2 and not set(before) & set(stack.pids("worker")))
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_pkill_9_of_all_consumers_leaves_the_stack_up(stack: NativeStack, http: httpx.Client) -> None:
    """`pkill -9 -f celery` finds every process that has the word; the launcher does not, and starts them again."""

    def of_consumers() -> list[psutil.Process]:
        return [process for process in stack.processes() if "consumer." in " ".join(process.cmdline())]

    def is_whole(consumer: str) -> bool:
        """Tell whether it has a main process and a slot at least; some pools have more processes."""
        return len(stack.pids("worker", f"{consumer}@%h")) >= 2

    # an earlier test may have killed one
    wait_until(lambda: is_whole("consumer.1") and is_whole("consumer.2"))
    for process in of_consumers():
        with suppress(psutil.NoSuchProcess):  # the launcher kills the pool of a consumer that has died
            process.kill()
    assert finished(http, "sum", submit(http, "sum", number=10), timeout=30)["result"] == 55


def test_every_job_event_is_one_line_with_its_job_id(stack: NativeStack, http: httpx.Client) -> None:
    """Started and ended, with task, queue and duration: what one greps for."""
    job_id = submit(http, "sum", number=10)
    finished(http, "sum", job_id)
    wait_until(lambda: f"success job_id={job_id} " in stack.log)
    lines = [line for line in stack.log.splitlines() if job_id in line and "consumer." in line]
    assert len(lines) == 2
    assert re.search(rf"INFO glassqueue.job: started job_id={job_id} task=sum queue=cpu$", lines[0])
    assert re.search(
        rf"INFO glassqueue.job: success job_id={job_id} task=sum queue=cpu duration=\d+\.\d{{3}}$", lines[1]
    )
