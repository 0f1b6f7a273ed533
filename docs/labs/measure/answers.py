"""Experiments with the answers of the producer: lost ones, and 429."""

import json
import math
import socket
import time
from argparse import Namespace
from urllib.parse import urlsplit

from docs.labs.measure import jobs
from project import redis_clients
from project.client.api import ProblemError
from project.settings import get_settings

WARM_UP = 3  # seconds: the producer needs two refusals that are a second apart to know how fast the queue drains


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
    """Submit jobs; with --limit, then compare Retry-After with when a tenth of that limit is really free."""
    memory, limit = _memory(), chosen.limit
    jobs.submit_all([(chosen.task, chosen.arguments)] * (limit or chosen.jobs))
    refusal = _refusal(chosen) if limit else None
    jobs.show(chosen.name, submitted=limit or chosen.jobs, memory_kib=(_memory() - memory) / 1024)
    if refusal:
        jobs.show(chosen.name, status=refusal.status, retry_after=refusal.retry_after, really=_until_room(limit))


def _refusal(chosen: Namespace) -> ProblemError | None:
    """Submit until the queue is full, keep it full for WARM_UP seconds, and return the last refusal."""
    refusal, end = None, math.inf
    with jobs.client(retry_for=0) as api:
        while time.monotonic() < end:
            try:
                api.submit(chosen.task, chosen.arguments)
            except ProblemError as problem:
                refusal, end = problem, min(end, time.monotonic() + WARM_UP)
                time.sleep(0.02)
    return refusal


def _until_room(limit: int) -> float:
    """Return the seconds until a tenth of the limit is free."""
    begun = time.monotonic()
    with jobs.client() as api:
        while max(queue.waiting for queue in api.queues()) > limit * 0.9:
            time.sleep(0.05)
    return time.monotonic() - begun


def _memory() -> int:
    """Return the bytes that Redis has in use."""
    with redis_clients.client(get_settings()) as redis:
        info: dict[str, int] = redis.info("memory")
    return info["used_memory"]
