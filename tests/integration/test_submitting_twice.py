"""A request that NGINX sends to a second producer is one job, and is not lost with the first producer."""

from collections.abc import Iterator

import pytest
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.jobs.service import Jobs
from project.settings import Settings

REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    """The jobs as a producer has them."""
    app = create_celery_app(settings)
    yield Jobs(app, settings)
    app.close()


def test_a_request_that_was_queued_is_not_queued_again(jobs: Jobs, redis: Redis) -> None:
    """The first producer may have died just before it could answer."""
    accepted = [jobs.submit(sum_to_n_job, {"number": 1}, REQUEST_ID) for _ in range(2)]
    assert [answer.job_id for answer in accepted] == [REQUEST_ID, REQUEST_ID]
    assert redis.llen("cpu") == 1
