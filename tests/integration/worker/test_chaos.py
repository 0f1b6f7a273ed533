"""The command with which a consumer ends itself, in containers, where no other process can kill it."""

from pathlib import Path
from typing import Any

import psutil
import pytest

from project.celery_config.app import create_celery_app
from project.settings import Settings
from tests.support.processes import Worker
from tests.support.terminal import alive
from tests.support.wait import wait_until


@pytest.mark.parametrize("pool", ["forked", "prefork", "threads", "solo"])
def test_a_consumer_ends_as_if_it_were_killed(settings: Settings, tmp_path: Path, pool: str) -> None:
    """With its slots, also where the process that hears the command is not the consumer's main process."""
    environment: dict[str, Any] = {"run_dir": tmp_path, "consumer_pool": pool, "chaos": 1}
    with Worker(settings.redis, tmp_path, "victim", pool, app="project.consumer", **environment).ready() as victim:
        others = psutil.Process(victim.process.pid).children()
        with create_celery_app(settings) as app:
            wait_until(lambda: app.control.ping(timeout=0.5), what="it listens to commands")
            app.control.broadcast("chaos_exit", arguments={"consumer": "victim@test"})
        assert victim.process.wait(10) == 137
        if pool == "forked":
            assert len(others) == 2
            wait_until(lambda: not any(alive(each) for each in others))
