"""A real Redis on a free port."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError

from project.native.binaries import redis_server
from tests.support.ports import free_port
from tests.support.wait import wait_until


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[Redis]:
    """Run a Redis that keeps its files in *folder*, and yield a client of it."""
    port = free_port()
    command = [redis_server(), "--port", str(port), "--dir", str(folder), "--save", "", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        client = Redis(port=port)
        try:
            wait_until(lambda: _answers(client), what="Redis answers")
            yield client
        finally:
            client.close()
            process.kill()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False
