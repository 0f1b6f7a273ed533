"""Flower at /dashboard/ knows the consumers and the jobs."""

import os
import re
import signal
from typing import Any

import httpx

from tests.support.events import listeners
from tests.support.http import finished, submit
from tests.support.metrics import listed_metrics, offered_metrics
from tests.support.stack import NativeStack
from tests.support.wait import wait_until


def _tasks(http: httpx.Client) -> dict[str, Any]:
    """Return the rows of Flower's task table, by job id."""
    response = http.get("/dashboard/tasks/datatable", params=TABLE)
    return {row["uuid"]: row for row in response.json()["data"]}


TABLE = {
    "draw": "1",
    "start": "0",
    "length": "100",
    "search[value]": "",
    "order[0][column]": "0",
    "order[0][dir]": "desc",
    "columns[0][data]": "received",
}


def test_the_dashboard_shows_the_consumers(http: httpx.Client) -> None:
    """Their events are on, so Flower sees their heartbeats."""
    workers = wait_until(lambda: http.get("/dashboard/workers", params={"json": 1}).json()["data"])
    assert any(worker["hostname"].startswith("consumer") and worker["status"] for worker in workers)


def test_the_dashboard_shows_a_job_from_queue_to_result(http: httpx.Client) -> None:
    """The task events arrive with the job's id, its result and its run time."""
    job_id = submit(http, "sum", number=10)
    finished(http, "sum", job_id)
    row = wait_until(lambda: _tasks(http).get(job_id, {"state": None})["state"] == "SUCCESS" and _tasks(http)[job_id])
    assert isinstance(row, dict)
    assert (row["name"], row["result"]) == ("sum", "55")


def test_the_dashboard_keeps_its_history_across_a_restart(stack: NativeStack, http: httpx.Client) -> None:
    """Flower writes its state down every 5 s and when it stops."""
    job_id = submit(http, "sum", number=10)
    finished(http, "sum", job_id)
    wait_until(lambda: job_id in _tasks(http))
    flower = stack.pids("flower")[0]
    os.kill(flower, signal.SIGTERM)
    wait_until(lambda: [pid for pid in stack.pids("flower") if pid != flower])
    wait_until(lambda: http.get("/dashboard/healthcheck").status_code == 200)
    assert job_id in _tasks(http)
    wait_until(lambda: listeners(stack.redis()), what="it listens again")


def test_a_dashboard_that_starts_late_shows_consumers_and_the_next_jobs(stack: NativeStack, http: httpx.Client) -> None:
    """Consumers notice within a second that somebody listens; their heartbeats are sent always."""
    flower = stack.pids("flower")[0]
    os.kill(flower, signal.SIGTERM)
    wait_until(lambda: flower not in stack.pids("flower"))
    finished(http, "sum", submit(http, "sum", number=10))  # no program listens to its events
    wait_until(lambda: stack.pids("flower"))
    wait_until(lambda: http.get("/dashboard/healthcheck").status_code == 200)
    wait_until(lambda: any(row["status"] for row in http.get("/dashboard/workers", params={"json": 1}).json()["data"]))
    jobs: list[str] = []

    def one_is_shown() -> bool:
        """Submit another job: the first ones may end before the consumers notice."""
        jobs.append(submit(http, "sum", number=10))
        shown = _tasks(http)
        return any(shown.get(job, {"state": None})["state"] == "SUCCESS" for job in jobs)

    wait_until(one_is_shown)


def _row(http: httpx.Client, queue: str) -> list[str]:
    """Return the cells of a queue on Flower's page of the broker."""
    rows = re.findall(rf'<tr id="{queue}">(.*?)</tr>', http.get("/dashboard/broker").text, re.DOTALL)
    return [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", "".join(rows), re.DOTALL)]


def test_the_page_of_the_broker_shows_our_queues(http: httpx.Client) -> None:
    """Jobs that wait, are delayed or run, and how many consumers serve the queue."""
    before = int(_row(http, "cpu")[1])
    location = http.post("/producer/api/sum", params={"countdown": 60}, json={"number": 1}).headers["location"]
    name, messages, running, ready, consumers, _ = _row(http, "cpu")
    assert (name, int(messages), running, ready) == ("cpu", before + 1, "0", "0")
    assert int(consumers) >= 1
    http.delete(location)
    assert int(_row(http, "cpu")[1]) == before


def test_the_page_about_metrics_lists_all_that_flower_offers(stack: NativeStack, http: httpx.Client) -> None:
    """With their types; those of its process are the same as the producer's."""
    finished(http, "sum", submit(http, "sum", number=10))
    url = f"http://127.0.0.1:{stack.settings['FLOWER_PORT']}/dashboard/metrics"
    offered = wait_until(lambda: offered_metrics(text) if "task-succeeded" in (text := httpx.get(url).text) else None)
    assert offered
    assert listed_metrics("Metrics of Flower") == {line for line in offered if line[0].startswith("flower_")}
    assert listed_metrics("Metrics of the producer") >= {line for line in offered if not line[0].startswith("flower_")}
