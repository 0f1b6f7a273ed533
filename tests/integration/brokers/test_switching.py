"""Switching between the leased transport and kombu's own; tests/rabbitmq/test_switching.py has the other ways."""

from pathlib import Path

import pytest

from tests.support.processes import RedisServer
from tests.support.switching import Side, assert_jobs_survive_a_switch
from tests.support.wait import wait_until


def _side(kind: str, server: RedisServer, folder: Path) -> Side:
    return Side(server.url if kind == "leased" else server.url.replace("redis:", "redis+stock:"), server, folder)


@pytest.mark.parametrize(("old", "new"), [("leased", "stock"), ("stock", "leased")])
def test_jobs_survive_a_switch_of_the_transport(server: RedisServer, tmp_path: Path, old: str, new: str) -> None:
    """Whatever state a job is in, it ends as if nothing was switched."""
    with _side(old, server, tmp_path) as before, _side(new, server, tmp_path) as after:
        assert_jobs_survive_a_switch(before, after)


def test_a_job_whose_code_a_consumer_lacks_waits_for_one_that_has_it(server: RedisServer, tmp_path: Path) -> None:
    """The consumer that looks for jobs of the old broker first cannot run it, and leaves it there."""
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        job_id = str(before.app.send_task("price", kwargs={"items": [{"tea": 3}]}, queue="default").id)
        known = before.submit("wait_and_return", kwargs={"seconds": 0, "message": "moved"})
        without = after.consumer("default")
        wait_until(lambda: after.status(known) == "SUCCESS", 60, "the jobs of the old broker are moved")
        assert after.status(job_id) == "PENDING"
        without.kill()
        after.consumer("default", task_modules="tests.support.remote_tasks")
        wait_until(lambda: after.status(job_id) == "SUCCESS", 60, "the job runs where its code is")
