"""Measure the front door against the plain way, alternating; each function returns the figures of each side."""

import json
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.front_door import OURS, PLAIN, FrontDoor, front_door
from benchmarks.load import load
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

BODY = '{"number": 10}'
Figures = dict[str, dict[str, list[float]]]


@contextmanager
def doors(folder: Path) -> Iterator[tuple[RedisServer, FrontDoor, FrontDoor]]:
    """Start a Redis as the stack has it, and both front doors on it."""
    with ExitStack() as around:
        server = around.enter_context(RedisServer(folder, "--appendonly", "yes"))
        ours = around.enter_context(front_door(folder / "ours", server, OURS))
        plain = around.enter_context(front_door(folder / "plain", server, PLAIN))
        yield server, ours, plain


def accept_and_look_up(folder: Path, rounds: int, seconds: int) -> Figures:
    """Measure both sides in turn: submits with 1, 16 and 64 connections, and look-ups; no consumer runs."""
    figures: Figures = defaultdict(lambda: {"ours": [], "plain": []})
    with doors(folder) as (server, ours, plain):
        for _ in range(rounds):
            for name, door in (("ours", ours), ("plain", plain)):
                for key, value in _measure(door, server, seconds):
                    figures[key][name].append(value)
    return dict(figures)


def _measure(door: FrontDoor, server: RedisServer, seconds: int) -> Iterator[tuple[str, float]]:
    for connections in (1, 16, 64):
        server.client.flushall()
        yield from _load(door, f"accept, {connections} connections", door.url, BODY, connections, seconds)
    yield from _load(door, "look up, 16 connections", door.submit(), "", 16, seconds)


def _load(
    door: FrontDoor, name: str, url: str, body: str, connections: int, seconds: int
) -> Iterator[tuple[str, float]]:
    used, measured = door.cpu_time(), load(url, body, connections, seconds)
    yield f"{name}, requests/s", measured.rate
    yield f"{name}, p50 ms", measured.p50
    yield f"{name}, p99 ms", measured.p99
    # of all figures the one that other processes on the machine disturb least
    yield f"{name}, CPU time of the producer per request, µs", 1e6 * (door.cpu_time() - used) / measured.requests


def submit_to_result(folder: Path, jobs: int = 300) -> Figures:
    """Measure the milliseconds from a submit to its result by `?wait`, with an idle consumer."""
    with ExitStack() as around:
        server = around.enter_context(RedisServer(folder, "--appendonly", "yes"))
        door = around.enter_context(front_door(folder / "waiting", server, OURS))
        door.consumer(around)
        url = urlsplit(door.url)
        http = HTTPConnection(str(url.hostname), url.port, timeout=30)  # httpx takes a millisecond itself
        times = [_journey(http, url.path) for _ in range(jobs + 20)][20:]
    return {"submit to result with ?wait, p50 ms": {"ours": [median(times)]}}


def _journey(http: HTTPConnection, path: str) -> float:
    begun = time.perf_counter()
    job = _ask(http, "POST", path, BODY)
    job = _ask(http, "GET", f"{path}/{job['job_id']}?wait=10")
    assert job["result"] == 55, job
    return 1000 * (time.perf_counter() - begun)


def _ask(http: HTTPConnection, method: str, path: str, body: str | None = None) -> Any:
    http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    return json.load(http.getresponse())


def two_producers(folder: Path, rounds: int, seconds: int) -> Figures:
    """Measure submits with one and with two producer processes behind NGINX."""
    rates: dict[str, list[float]] = {"one": [], "two": []}
    with ExitStack() as around:
        server = around.enter_context(RedisServer(folder, "--appendonly", "yes"))
        sides = {
            name: around.enter_context(front_door(folder / name, server, OURS, count))
            for name, count in (("one", 1), ("two", 2))
        }
        for _ in range(rounds):
            for name, door in sides.items():
                server.client.flushall()
                rates[name].append(load(door.url, BODY, 64, seconds).rate)
    return {"accept, 64 connections, producers, requests/s": rates}


def waiting_clients(folder: Path, clients: int = 1000) -> Figures:
    """Measure the additional memory (MB) of a producer while clients wait for one job by `?wait`."""
    with ExitStack() as around:
        server = around.enter_context(RedisServer(folder))
        door = around.enter_context(front_door(folder / "many", server, OURS))
        address, process = door.submit(), psutil.Process(door.producers[0].process.pid)
        before = process.memory_full_info().uss
        for _ in range(clients):
            around.enter_context(_waiting_client(address))
        wait_until(lambda: len(process.net_connections()) >= clients, 30)
        needed = (process.memory_full_info().uss - before) / 1e6
    return {f"memory of {clients:,} waiting clients, MB": {"ours": [needed]}}


def _waiting_client(address: str) -> socket.socket:
    """Send a request that is answered after 30 seconds."""
    url = urlsplit(address)
    client = socket.create_connection((str(url.hostname), url.port or 80))
    client.sendall(f"GET {url.path}?wait=30 HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    return client
