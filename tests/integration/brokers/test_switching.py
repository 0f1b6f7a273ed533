"""Switching between the leased transport and kombu's own; tests/rabbitmq/test_switching.py has the other ways."""

from pathlib import Path

import pytest

from tests.support.processes import RedisServer
from tests.support.switching import Side, assert_jobs_survive_a_switch


def _side(kind: str, server: RedisServer, folder: Path) -> Side:
    return Side(server.url if kind == "leased" else server.url.replace("redis:", "redis+stock:"), server, folder)


@pytest.mark.parametrize(("old", "new"), [("leased", "stock"), ("stock", "leased")])
def test_jobs_survive_a_switch_of_the_transport(server: RedisServer, tmp_path: Path, old: str, new: str) -> None:
    """Whatever state a job is in, it ends as if nothing was switched."""
    with _side(old, server, tmp_path) as before, _side(new, server, tmp_path) as after:
        assert_jobs_survive_a_switch(before, after)
