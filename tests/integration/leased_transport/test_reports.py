"""What a running job reports about itself with update_state(), in every pool."""

import json

import pytest
from celery import Celery
from redis import Redis

from project.leased_transport import keys
from tests.integration.leased_transport.test_delivery import every_pool, record, runs
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until


@every_pool
@pytest.mark.parametrize("state", ["none", "empty", "started"])
def test_a_report_without_a_state_of_its_own_is_stored(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int, state: str
) -> None:
    """The job stays STARTED and runs once, as do the jobs beside it."""
    job = app.tasks["report"].delay(state)
    others = [app.tasks["note"].delay(f"n{number}") for number in range(5)]
    workers("one", pool, slots)
    assert [each.get(timeout=30) for each in (job, *others)] == [state, *(f"n{number}" for number in range(5))]
    assert [runs(redis, name) for name in (state, *(f"n{number}" for number in range(5)))] == [1] * 6
    assert json.loads(redis.hget(keys.job(job.id), "meta") or b"null") == {"done": 3}


@every_pool
@pytest.mark.parametrize("state", ["a boolean", "half a surrogate pair"])
def test_a_report_that_cannot_be_stored_fails_its_job_only(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int, state: str
) -> None:
    """The jobs beside it run once."""
    job = app.tasks["report"].delay(state)
    others = [app.tasks["note"].delay(f"n{number}") for number in range(5)]
    workers("one", pool, slots)
    assert [each.get(timeout=30) for each in others] == [f"n{number}" for number in range(5)]
    wait_until(job.ready)
    assert (job.state, runs(redis, state)) == ("FAILURE", 1)
    assert json.loads(record(redis, job.id)["error"])["type"] in ("DataError", "UnicodeEncodeError")
    assert [runs(redis, f"n{number}") for number in range(5)] == [1] * 5
