"""The list of recent jobs stays small, whatever the jobs returned or were given."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job, wait_and_return
from project.client.show import job_row
from project.jobs.search import Criteria
from project.jobs.service import Jobs
from project.leased_transport import keys
from project.leased_transport.summaries import LONGEST
from project.settings import Settings
from tests.support.event_loop import in_event_loop

LARGE = "x" * 1_000_000


@pytest.fixture(params=["redis", "redis+stock"])
def jobs(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Jobs]:
    """The jobs as a producer has them."""
    url = f"{request.param}://127.0.0.1:{settings.redis_port}/0"
    app = create_celery_app(settings.model_copy(update={"broker_url": url}))
    yield Jobs(app, settings.model_copy(update={"broker_url": url}))
    app.close()


def _job(jobs: Jobs, redis: Any, **fields: Any) -> str:
    """Submit a job and give it its end; return its id."""
    job_id = in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).job_id
    redis.hset(keys.job(job_id), mapping=fields)
    return job_id


def test_large_results_are_left_out_and_do_not_leave_redis(jobs: Jobs, redis: Redis) -> None:
    """The list says so; the job itself has its result. Arguments and tracebacks do not leave Redis for a list either."""
    large = {"status": "SUCCESS", "result": json.dumps(LARGE), "traceback": LARGE, "message": LARGE, "exception": LARGE}
    job_ids = [_job(jobs, redis, **large) for _ in range(20)]
    small = _job(jobs, redis, status="SUCCESS", result="1")
    sent = redis.info("stats")["total_net_output_bytes"]
    listed = jobs.recent(Criteria(), 50, None).jobs
    assert redis.info("stats")["total_net_output_bytes"] - sent < 50_000
    assert [(job.job_id, job.result, job.omitted) for job in listed[1:]] == [
        (job_id, None, ["result", "arguments"]) for job_id in reversed(job_ids)
    ]
    assert (listed[0].job_id, listed[0].result, listed[0].omitted) == (small, 1, [])
    assert job_row(listed[1])[-1] == "(a long result: get the job to see it)"
    assert in_event_loop(jobs, jobs.look_up(None, job_ids[0])).result == LARGE


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600", "\ud800", '"', "\\"], ids=ascii)
@pytest.mark.parametrize("offset", range(3))
def test_of_a_long_error_the_beginning_is_listed(jobs: Jobs, redis: Redis, character: str, offset: int) -> None:
    """A failed job has an error in each list, wherever its text is cut."""
    message = "x" * offset + character * 100_000
    _job(jobs, redis, status="FAILURE", error=json.dumps({"type": "ValueError", "message": message}))
    (job,) = jobs.recent(Criteria(), 50, None).jobs
    assert job.error and job.omitted == ["error"]
    assert job.error.type == "ValueError"
    assert job.error.message.endswith("…")
    assert 100 < len(job.error.message) <= LONGEST
    assert message.encode(errors="replace").startswith(job.error.message[:-1].encode())
    json.loads(job.model_dump_json())


def test_a_field_of_just_the_size_is_listed(jobs: Jobs, redis: Redis) -> None:
    """One byte more and it is not."""
    for excess in (0, 1):
        _job(jobs, redis, status="SUCCESS", result=json.dumps("x" * (LONGEST - 2 + excess)))
    assert [job.omitted for job in jobs.recent(Criteria(), 50, None).jobs] == [["result"], []]


def test_an_error_that_says_nothing_readable_is_listed_all_the_same(jobs: Jobs, redis: Redis) -> None:
    """As any failed job."""
    _job(jobs, redis, status="FAILURE", error="{" + '"' * LARGE.count("x"))
    (job,) = jobs.recent(Criteria(), 50, None).jobs
    assert job.error and (job.error.type, job.error.message) == ("Error", "…")


def test_a_list_shows_of_a_job_what_looking_it_up_shows(jobs: Jobs, redis: Redis) -> None:
    """Apart from long values."""
    in_event_loop(jobs, jobs.submit(wait_and_return, {"seconds": 1, "message": "x"}))
    _job(
        jobs, redis, status="STARTED", started_at=1, progress='{"fraction": 0.5, "text": "half"}', consumer="c", token=2
    )
    _job(jobs, redis, status="FAILURE", error='{"type": "E", "message": "m"}', child_ids="a b", parent="p")
    for job in jobs.recent(Criteria(), 50, None).jobs:
        assert (
            job.model_dump(exclude={"omitted", "arguments"})
            == in_event_loop(jobs, jobs.look_up(None, job.job_id)).model_dump()
        )


def test_a_key_of_another_type_breaks_no_list(jobs: Jobs, redis: Redis) -> None:
    """Another program has overwritten the record of a job that the index still names."""
    lost, kept = (in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).job_id for _ in range(2))
    redis.set(keys.job(lost), "no hash")
    assert [job.job_id for job in jobs.recent(Criteria(), 50, None).jobs] == [kept]
