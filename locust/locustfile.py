"""The load test measures whole jobs, not only the POST. It is an ordinary client and imports nothing of the project."""

import os
import random
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import gevent
from request_guard import RequestGuard, check_form

from locust import HttpUser, between, events, task

SUM = "/producer/api/sum"
# a few milliseconds of work, so that the test measures the stack and two cores can serve a hundred users
LARGEST = 100_000
POLL_PAUSE = 0.1  # seconds
PATIENCE = 60  # seconds until a job that has not ended counts as lost
STEPS = ("submitted", "started", "finished")
MOST_USERS = int(os.environ.get("LOCUST_USERS", "200"))


@events.init.add_listener
def guard_pages(environment: Any, **_: Any) -> None:
    """Keep other sites, other target hosts and too many users out of Locust's own pages."""
    if environment.web_ui:
        app = environment.web_ui.app
        app.before_request(partial(check_form, environment.host, MOST_USERS))
        app.wsgi_app = RequestGuard(app.wsgi_app, *(os.environ.get(name, "") for name in ("HTTP_BIND", "HTTP_HOSTS")))


class Client(HttpUser):
    """A user that sends requests directly to the stack, without the proxies of the environment."""

    abstract = True

    def on_start(self) -> None:
        """Ignore the proxies of the environment."""
        self.client.trust_env = False


class Submitter(Client):
    """Submit about one job per second and never ask for its result."""

    wait_time = between(0.5, 1.5)

    @task
    def submit(self) -> None:
        """Submit a sum."""
        submit(self.client, random.randint(1, LARGEST), name=f"{SUM} (submit only)")


class Waiter(Client):
    """Submit a job, wait for its result, and report how long it waited and ran."""

    wait_time = between(0.5, 1.5)

    @task
    def submit_and_wait(self) -> None:
        """Submit a sum and look it up until it has ended."""
        number = random.randint(1, LARGEST)
        if location := submit(self.client, number, name=SUM):
            report(wait_for(self.client, location), expected=number * (number + 1) // 2)


def submit(client: Any, number: int, name: str) -> str | None:
    """Submit a sum and return the path of the job, or record a failure and return None."""
    with client.post(SUM, json={"number": number}, name=name, catch_response=True) as response:
        if response.status_code != 202:
            response.failure(f"status {response.status_code}, not 202")
            return None
        # only the path: a response must not redirect the load to another host
        return urlsplit(str(response.headers["Location"])).path


def wait_for(client: Any, location: str) -> dict[str, Any] | None:
    """Return the job once it has ended, or None if it cannot be looked up or does not end in time."""
    with gevent.Timeout(PATIENCE, False):
        while True:
            response = client.get(location, name=f"{SUM}/[job_id]")
            job = response.json() if response.ok else None
            if job is None or job["ready"]:
                return job
            gevent.sleep(POLL_PAUSE)
    return None


def report(job: dict[str, Any] | None, expected: int) -> None:
    """Record queue wait, run time and end-to-end time, by the stack's own clock."""
    if job is None or job["result"] != expected:
        found = f"{job['status']} {job['error'] or job['result']}" if job else "no answer"
        fire("end to end", None, error=ValueError(f"{found}, not SUCCESS {expected}"))
    else:
        submitted, started, finished = (datetime.fromisoformat(job[f"{what}_at"]) for what in STEPS)
        fire("queue wait", started - submitted)
        fire("run time", finished - started)
        fire("end to end", finished - submitted)


def fire(what: str, time: timedelta | None, error: Exception | None = None) -> None:
    """Add a measurement, or a failure, to the statistics."""
    # not `time and ...`: timedelta(0) is falsy, and Locust would drop the row
    milliseconds = None if time is None else time.total_seconds() * 1000
    measured: dict[str, Any] = {"response_time": milliseconds, "response_length": 0, "exception": error}
    events.request.fire(request_type="JOB", name=f"job: {what}", context={}, **measured)
