"""Clients that submit jobs and look them up without a pause, and remember every request that failed."""

import threading
from collections import Counter
from typing import Any, Self

import httpx

from tests.support.wait import wait_until

JOB_DEADLINE = 60  # seconds


class Traffic:
    """A few clients at once; each submits a job, looks it up until it has ended, and begins again."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self.jobs: list[dict[str, Any]] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Self:
        """Start the clients."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let each client finish its last job."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, requests: int = 200) -> None:
        """Wait for this number of additional requests."""
        enough = self.requests + requests
        wait_until(lambda: self.requests >= enough, what=f"{requests} more requests")

    @property
    def consumers(self) -> Counter[str]:
        """The number of jobs that each consumer has run."""
        return Counter(str(job["consumer"]) for job in self.jobs)

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as http:
            while not self._stop.is_set():
                # every other client asks for work, the others for waiting
                if number % 2:
                    self._travel(http, "sum", {"number": 1000}, 500_500)
                else:
                    self._travel(http, "wait_and_return", {"seconds": 0.2, "message": "here"}, "here")

    def _travel(self, http: httpx.Client, task: str, arguments: dict[str, Any], result: Any) -> None:
        accepted = self._ask(http, "POST", f"/producer/api/{task}", 202, json=arguments)
        if accepted is None:
            return
        address = f"/producer/api/{task}/{accepted['job_id']}"
        try:
            job = wait_until(lambda: self._ended(http, address), JOB_DEADLINE)
        except AssertionError:
            self.failures.append(f"{address}: not done after {JOB_DEADLINE} s")
            return
        self.jobs.append(job)
        if job["result"] != result:
            self.failures.append(f"{address}: {job}")

    def _ended(self, http: httpx.Client, address: str) -> dict[str, Any]:
        """Return the job if it has ended, else None."""
        job = self._ask(http, "GET", address, 200) or {}
        return job if job.get("ready") else {}

    def _ask(self, http: httpx.Client, method: str, path: str, expected: int, **body: Any) -> dict[str, Any] | None:
        self.requests += 1
        try:
            response = http.request(method, path, **body)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        if response.status_code != expected:
            self.failures.append(f"{method} {path}: {response.status_code} {response.text}")
            return None
        return dict(response.json())
