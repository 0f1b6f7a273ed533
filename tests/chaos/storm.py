"""A storm: clients that submit jobs while the processes of a stack are killed in a random order."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import psutil

from tests.support.rabbitmq import RabbitServer
from tests.support.stack import NativeStack

#: A word of the command line of each kind of main process.
MAIN = {
    "consumer": "consumer.",
    "scheduler": "beat",
    "nginx": "nginx: master",
    "producer": "uvicorn",
    "redis": "-server ",
}
KINDS = (*MAIN, "pool child")
PAUSES = (0.5, 2.0)  # seconds between two kills
THINKING = 0.02  # seconds between two jobs of a client, so that the storm lasts for several rounds of kills
#: NGINX, the producer or Redis is down: the job was not accepted, and the client submits another one.
REFUSALS = {502, 503, 504}


@dataclass
class Submitted:
    """A job that was answered with 202, and the result that it must have."""

    job_id: str
    task: str
    result: Any


@dataclass
class Killer:
    """Kills one process after another: each kind once, in random order, then again in another order."""

    stack: NativeStack
    seed: int
    rabbit: RabbitServer | None = None
    killed: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to kill."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop killing."""
        self._stop.set()
        self._thread.join()

    @property
    def done(self) -> bool:
        """Return whether each kind was killed."""
        return set(self.killed) == set(self.kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of processes that are killed."""
        return (*KINDS, "rabbitmq") if self.rabbit else KINDS

    def _run(self) -> None:
        dice = random.Random(self.seed)
        while True:
            for kind in dice.sample(self.kinds, len(self.kinds)):
                if self._stop.wait(dice.uniform(*PAUSES)):
                    return
                self._kill(kind, dice)

    def _kill(self, kind: str, dice: random.Random) -> None:
        if kind == "rabbitmq" and self.rabbit:
            self.rabbit.kill()
            self.rabbit.start()
            self.killed[kind] += 1
            return
        if victims := sorted(pids(self.stack, kind)):  # an empty list: the process is still starting
            try:
                os.kill(dice.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.killed[kind] += 1


def pids(stack: NativeStack, kind: str) -> Iterator[int]:
    """Yield the processes of a kind; a pool child is what a consumer runs jobs in."""
    word = MAIN["consumer" if kind == "pool child" else kind]
    for main in stack.main_processes():
        try:
            if word not in " ".join(main.cmdline()):
                continue
            children = [child.pid for child in main.children()]
            if kind == "pool child":
                yield from children
            # do not kill a process that is still starting: on a slow machine it would never be up
            elif kind == "scheduler" or children or _listens(main):
                yield main.pid
        except psutil.NoSuchProcess:
            continue


def _listens(process: psutil.Process) -> bool:
    return any(connection.status == psutil.CONN_LISTEN for connection in process.net_connections("tcp"))


class Clients:
    """Concurrent clients that submit until enough jobs are accepted and each kind of process was killed."""

    def __init__(self, url: str, jobs: int, seed: int, killer: Killer, clients: int = 8) -> None:
        self.accepted: list[Submitted] = []
        self.refused: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._url, self._jobs, self._killer = url, jobs, killer
        # daemons, because a storm that Ctrl-C interrupts must not go on submitting
        threads = (
            threading.Thread(target=self._run, args=(random.Random(seed + n),), daemon=True) for n in range(clients)
        )
        self._threads = list(threads)

    def run(self) -> Self:
        """Submit all jobs and return."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        return self

    def _run(self, dice: random.Random) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as http:
            while not self._enough() and len(self.unexpected) < 10:
                self._submit(http, *_any_job(dice))
                time.sleep(THINKING)

    def _enough(self) -> bool:
        wanted = (
            self._jobs if self._killer.done else 10 * self._jobs
        )  # a limit, in case a kind of process cannot be killed
        return len(self.accepted) >= wanted

    def _submit(self, http: httpx.Client, task: str, arguments: dict[str, Any], result: Any) -> None:
        """Submit one job; a job without an answer counts as refused, because it may not have been accepted."""
        try:
            response = http.post(f"/producer/api/{task}", json=arguments)
        except httpx.TransportError as error:
            self.refused[type(error).__name__] += 1
            return
        if response.status_code == 202:
            self.accepted.append(Submitted(response.json()["job_id"], task, result))
        elif response.status_code in REFUSALS:
            self.refused[str(response.status_code)] += 1
        else:
            self.unexpected.append(f"{response.status_code} {response.text}")


def _any_job(dice: random.Random) -> tuple[str, dict[str, Any], Any]:
    """Return task, arguments and result: mostly short jobs, sometimes one that is long enough to be killed."""
    if dice.random() < 0.03:
        message = f"{dice.random()}"
        return "wait_and_return", {"seconds": dice.uniform(0.1, 0.5), "message": message}, message
    number = dice.randrange(1000)
    return "sum", {"number": number}, number * (number + 1) // 2
