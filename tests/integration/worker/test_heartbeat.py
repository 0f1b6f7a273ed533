"""The heartbeat describes a consumer."""

import json
from pathlib import Path

import pytest
from redis import Redis

from project.leased_transport import keys
from project.settings import Settings
from tests.support.processes import Worker


@pytest.mark.parametrize("pool", ["forked", "prefork", "threads", "solo"])
def test_it_names_the_pool_as_the_setting_does_and_the_main_process(
    redis: Redis, settings: Settings, tmp_path: Path, pool: str
) -> None:
    """With the main process all others end, so that is the one to kill."""
    environment = {"run_dir": str(tmp_path), "consumer_pool": pool}
    with Worker(settings.redis, tmp_path, "one", pool, 3, app="project.consumer", **environment).ready() as consumer:
        text: str = redis.get(keys.consumer("one@test"))  # type: ignore[assignment]
        described = json.loads(text)
        assert (described["pool"], described["pid"]) == (pool, consumer.process.pid)
        assert described["slots"] == (1 if pool == "solo" else 3)
