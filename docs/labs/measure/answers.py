"""Experiments with the answers of the producer: lost ones, and 429."""

import json
import socket
import time
from argparse import Namespace
from urllib.parse import urlsplit

from docs.labs.measure import jobs
from project import redis_clients
from project.client.api import ProblemError
from project.settings import get_settings

WARM_UP = 4  # seconds: the producer needs two refusals that are a second apart to know how fast the queue drains


def cut(chosen: Namespace) -> None:
    """Submit a job, and hang up when the answer arrives, without reading it."""
    url = urlsplit(get_settings().url)
    body = json.dumps(chosen.arguments)
    lines = [f"POST /producer/api/{chosen.task} HTTP/1.1", f"Host: {url.netloc}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body.encode())}", *([f"Idempotency-Key: {chosen.key}"] if chosen.key else [])]
    with socket.create_connection((str(url.hostname), url.port or 80), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode())
        connection.recv(1, socket.MSG_PEEK)  # the answer is here, but nobody reads it
    print("sent the request; the answer is lost")


def fill(chosen: Namespace) -> None:
    """Submit jobs until the queue is full; then compare Retry-After with when a tenth of the queue is really free."""
    api, memory = jobs.client(), _memory()
    api._retry_for = 0  # show refusals instead of waiting
    accepted, problem = 0, None
    begun = time.monotonic()
    while accepted < chosen.jobs and not (problem and time.monotonic() > begun + WARM_UP):
        try:
            api.submit(chosen.task, chosen.arguments)
            accepted += 1
        except ProblemError as refusal:
            problem = refusal
            time.sleep(0.2)
    jobs.show(chosen.name, accepted=accepted, status=problem.status if problem else 202)
    jobs.show(chosen.name, memory=(_memory() - memory) / 1024)
    if problem:
        _compare(chosen.name, problem.retry_after)


def _compare(name: str, promised: float) -> None:
    limit, begun = get_settings().queue_limit, time.monotonic()
    with jobs.client() as api:
        while max(queue.waiting for queue in api.queues()) > limit * 0.9:
            time.sleep(0.05)
    jobs.show(name, retry_after=promised, really=time.monotonic() - begun)


def _memory() -> int:
    """Return the bytes that Redis has in use."""
    with redis_clients.client(get_settings()) as redis:
        info: dict[str, int] = redis.info("memory")
    return info["used_memory"]
