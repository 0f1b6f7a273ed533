"""The heartbeat describes a consumer."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from project.celery_config.app import create_celery_app
from project.leased_transport import keys
from project.settings import Settings
from tests.support.processes import Worker
from tests.support.wait import wait_until


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


@pytest.mark.heavy  # waits for the next heartbeat
@pytest.mark.parametrize("pool", ["forked", "solo"])
def test_it_lists_the_queues_that_are_served_at_present(
    redis: Redis, settings: Settings, tmp_path: Path, pool: str
) -> None:
    """Remote control commands add and cancel queues."""
    environment = {"run_dir": str(tmp_path), "consumer_pool": pool, "consumer_queues": "cpu"}

    def served() -> Any:
        text: Any = redis.get(keys.consumer("one@test"))
        return json.loads(text)["queues"]

    app = create_celery_app(settings)
    with Worker(settings.redis, tmp_path, "one", pool, 1, app="project.consumer", **environment).ready():
        assert served() == ["cpu"]
        assert app.control.add_consumer("default", reply=True, timeout=5)
        wait_until(lambda: served() == ["cpu", "default"])
        assert app.control.cancel_consumer("cpu", reply=True, timeout=5)
        wait_until(lambda: served() == ["default"])
    app.close()
