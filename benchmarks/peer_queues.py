"""Other task queues on Redis, each with two worker processes as its manual starts them, in a venv of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support.processes import ROOT, RedisServer, clean_environment
from tests.support.wait import wait_until

CACHE = ROOT / ".cache"
WARM = 200  # jobs that run before the clock starts


@dataclass(frozen=True)
class Peer:
    """A task queue: its program of workers, and how many jobs to measure it with.

    workers: the commands, without Python. results: the key of the hash that holds results; "" if each has its own key.
    """

    name: str
    module: str
    workers: tuple[tuple[str, ...], ...]
    jobs: int
    results: str = ""
    venv: str = "peers"

    @property
    def python(self) -> Path:
        """Return the interpreter of its venv."""
        return CACHE / self.venv / "bin" / "python" if self.venv else Path(sys.executable)

    def ended(self, client: Redis) -> int:
        """Return how many results are stored."""
        if self.results:
            count: Any = client.hlen(self.results)
        else:  # of all keys only results expire
            count = client.info("keyspace").get("db0", {}).get("expires", 0)
        return int(count)


def _celery(name: str) -> tuple[str, ...]:
    options = ("-P", "solo", "-n", f"{name}@peer", "-l", "error", "--without-mingle", "--without-gossip")
    return ("celery", "-A", "benchmarks.peers.redis_plus_app", "worker", *options)


HUEY = ("huey.bin.huey_consumer", "benchmarks.peers.huey_app.huey", "-k", "process", "-w", "2")
TASKIQ = ("taskiq", "worker", "benchmarks.peers.taskiq_app:broker", "--workers", "2")
DRAMATIQ = ("dramatiq", "benchmarks.peers.dramatiq_app", "--processes", "2")
PEERS = [
    Peer("huey", "huey_app", (HUEY,), 10_000, results="huey.results.peer"),
    Peer("taskiq", "taskiq_app", (TASKIQ,), 5000),
    Peer("dramatiq", "dramatiq_app", (DRAMATIQ,), 4000),
    Peer("celery-redis-plus", "redis_plus_app", (_celery("one"), _celery("two")), 3000, venv="redis-plus"),
    Peer("bare redis-py", "bare", (("benchmarks.peers.bare",),) * 2, 20_000, venv=""),
]


def install() -> list[Peer]:
    """Create the venvs, and return the peers that run here; celery-redis-plus needs a Python 3.13."""
    _make_venv("peers", Path("benchmarks/peers/requirements.txt"), Path(sys.executable))
    if newer := _python_3_13():
        _make_venv("redis-plus", Path("benchmarks/peers/requirements-redis-plus.txt"), newer)
    return [peer for peer in PEERS if peer.python.exists()]


def _make_venv(name: str, requirements: Path, python: Path) -> None:
    folder = CACHE / name
    done = folder / "installed.txt"
    if done.exists() and done.read_text() == requirements.read_text():
        return
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    done.write_text(requirements.read_text())


def _python_3_13() -> Path | None:
    """Return a Python 3.13: this one, the one that PYTHON313 names, or the one on PATH."""
    if sys.version_info >= (3, 13):
        return Path(sys.executable)
    command = [os.environ.get("PYTHON313") or "python3.13", "-c", "import sys; print(sys.executable)"]
    try:
        return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        return None


def drain(peer: Peer, server: RedisServer, jobs: int = 0) -> float:
    """Return jobs per second of two worker processes, which are warm before the clock starts."""
    jobs = jobs or peer.jobs
    server.client.flushall()
    with _workers(peer, server) as groups:
        _fill(peer, server, WARM)
        wait_until(lambda: peer.ended(server.client) >= WARM, 60, f"{peer.name} runs jobs")
        _signal(groups, signal.SIGSTOP)
        _fill(peer, server, jobs)
        started = time.perf_counter()
        _signal(groups, signal.SIGCONT)
        # most of them: a queue without acknowledgements loses a job now and then
        counted = jobs * 99 // 100
        wait_until(lambda: peer.ended(server.client) >= WARM + counted, 100, f"{peer.name} ends its jobs")
        return counted / (time.perf_counter() - started)


@contextmanager
def _workers(peer: Peer, server: RedisServer) -> Iterator[list[int]]:
    """Run the workers during the block, each in a process group of its own."""
    environment = clean_environment() | {"PEER_URL": server.url, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen([str(peer.python), "-m", *command], cwd=ROOT, env=environment, start_new_session=True,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in peer.workers
    ]  # fmt: skip
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _fill(peer: Peer, server: RedisServer, jobs: int) -> None:
    environment = clean_environment() | {"PEER_URL": server.url, "PYTHONPATH": str(ROOT)}
    command = [str(peer.python), "-c", f"from benchmarks.peers.{peer.module} import fill; fill({jobs})"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


def _signal(groups: list[int], number: int) -> None:
    for group in groups:
        os.killpg(group, number)
