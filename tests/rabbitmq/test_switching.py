"""Switching between RabbitMQ and the two ways to use Redis; tests/integration/brokers/test_switching.py has the rest."""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from tests.support.processes import RedisServer
from tests.support.rabbitmq import RabbitServer
from tests.support.switching import Side, assert_a_stopping_consumer_keeps_its_job, assert_jobs_survive_a_switch

SWITCHES = [pair for pair in permutations(("leased", "stock", "amqp"), 2) if "amqp" in pair]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for the records, and for the jobs of two kinds of brokers."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize(("old", "new"), SWITCHES)
def test_jobs_survive_a_switch_from_or_to_rabbitmq(
    server: RedisServer, rabbit: RabbitServer, tmp_path: Path, old: str, new: str
) -> None:
    """Whatever state a job is in, it ends as if nothing was switched."""
    urls = {"leased": server.url, "stock": server.url.replace("redis:", "redis+stock:"), "amqp": rabbit.own_url()}
    with Side(urls[old], server, tmp_path) as before, Side(urls[new], server, tmp_path) as after:
        assert_jobs_survive_a_switch(before, after)


def test_a_stopping_consumer_keeps_the_job_that_came_from_rabbitmq(
    server: RedisServer, rabbit: RabbitServer, tmp_path: Path
) -> None:
    """It is not moved while it may still end."""
    with Side(rabbit.own_url(), server, tmp_path) as before, Side(server.url, server, tmp_path) as after:
        assert_a_stopping_consumer_keeps_its_job(before, after)
