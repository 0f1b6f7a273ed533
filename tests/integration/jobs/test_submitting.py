"""Submitting a job: once per request, and never more than the queue may hold."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis

from project.brokers import job_records
from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job, wait_and_return
from project.derived_ids import derived_id
from project.errors import BrokerUnavailable, TooManyJobs
from project.job_models import Accepted
from project.jobs import recent_jobs
from project.jobs.search import Criteria
from project.jobs.service import Jobs
from project.jobs.submit_options import SubmitOptions
from project.leased_transport import keys, records, scripts
from project.settings import Settings
from tests.chaos.proxy import CuttingProxy
from tests.support.event_loop import in_event_loop
from tests.support.wait import wait_until

REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    """The jobs as a producer has them."""
    app = create_celery_app(settings)
    yield Jobs(app, settings)
    app.close()


def test_a_request_that_was_queued_is_not_queued_again(jobs: Jobs, redis: Redis) -> None:
    """The first producer may have died just before it could answer."""
    accepted = [
        in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}, SubmitOptions(request_id=REQUEST_ID)))
        for _ in range(2)
    ]
    assert [answer.job_id for answer in accepted] == [REQUEST_ID, REQUEST_ID]
    assert redis.llen("cpu") == 1


@pytest.mark.usefixtures("jobs")
def test_a_long_argument_with_half_a_character_is_submitted_as_it_is(redis: Redis) -> None:
    """A job may submit one, such as the result that its follower gets."""
    arguments = {"seconds": 0, "message": "x" * 1000 + "\ud800"}
    job_id = wait_and_return.apply_async(kwargs=arguments).id
    stored: Any = redis.hget(keys.job(job_id), "message")
    assert json.loads(json.loads(stored)[0])[1] == arguments


@pytest.mark.parametrize("broker", ["redis", "redis+stock"])
def test_a_key_whose_first_job_is_forgotten_in_that_moment_is_a_new_job(
    settings: Settings, redis: Redis, broker: str
) -> None:
    """It expires between refusing the second job and reading the first: no 404, which is for unknown ids."""
    options = SubmitOptions(idempotency_key="once")

    def forget(_: int, data: bytes) -> None:
        if scripts.READ.sha.encode() in data:
            redis.delete(keys.job(derived_id("key", "sum once")))

    port = redis.connection_pool.connection_kwargs["port"]
    with CuttingProxy(port, forget) as proxy:
        url = f"{broker}://127.0.0.1:{proxy.port}/0"
        through = settings.model_copy(update={"redis_port": proxy.port, "broker_url": url})
        jobs = Jobs(create_celery_app(through), through)
        answers = [in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}, options)) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Accepted, Accepted]
    assert records.read(redis, answers[0].job_id)


def test_a_job_that_a_killed_producer_was_sending_is_refused_for_some_seconds_and_harms_no_other(
    settings: Settings, redis: Redis
) -> None:
    """Without leases it is unknown whether its message was sent: a client gets 503 in time, and tries again."""
    url = f"redis+stock://127.0.0.1:{settings.redis_port}/0"
    jobs = Jobs(create_celery_app(settings.model_copy(update={"broker_url": url})), settings)
    options = SubmitOptions(job_id="mine")
    fields = ["nonce", "sum", "cpu", "[]", "", "", job_records.UNSENT_TTL, job_records.SENDING, 100]
    scripts.REGISTER(redis, [keys.job("mine")], ["mine", *fields])
    with pytest.raises(BrokerUnavailable, match="is being sent"):
        in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}, options))
    assert in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).status == "PENDING"

    def accepted() -> bool:
        with suppress(BrokerUnavailable):
            return bool(in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}, options)))
        return False

    wait_until(accepted, 20)


@pytest.mark.parametrize("broker", ["redis", "redis+stock"])
def test_without_an_index_of_recent_jobs_jobs_are_accepted_cancelled_and_collected(
    settings: Settings, redis: Redis, broker: str
) -> None:
    """Another program has overwritten it: only lists of jobs need it."""
    url = f"{broker}://127.0.0.1:{settings.redis_port}/0"
    jobs = Jobs(create_celery_app(settings.model_copy(update={"broker_url": url})), settings)
    redis.set(keys.RECENT, "no sorted set")
    job_id, ended = (in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).job_id for _ in range(2))
    redis.hset(keys.job(ended), mapping={"status": "SUCCESS", "result": 1})
    assert in_event_loop(jobs, jobs.cancel_or_collect(sum_to_n_job, job_id)).status == "REVOKED"
    assert in_event_loop(jobs, jobs.cancel_or_collect(sum_to_n_job, ended)).result == 1
    assert redis.get(keys.RECENT) == b"no sorted set"


def test_a_full_queue_refuses_jobs_until_there_is_room(settings: Settings, redis: Redis) -> None:
    """QUEUE_LIMIT=2: the third job is refused as a whole, and accepted once one has left."""
    limited = settings.model_copy(update={"queue_limit": 2})
    jobs = Jobs(create_celery_app(limited), limited)
    for _ in range(2):
        in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}))
    with pytest.raises(TooManyJobs):
        in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}))
    assert redis.llen("cpu") == len(list(redis.scan_iter("job:*"))) == 2
    redis.rpop("cpu")
    in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1}))


def test_all_failed_jobs_of_a_task_are_requeued(jobs: Jobs, redis: Redis) -> None:
    """Those of other tasks, and those that did not fail, stay as they are."""
    sums = [in_event_loop(jobs, jobs.submit(sum_to_n_job, {"number": 1})).job_id for _ in range(3)]
    other = in_event_loop(jobs, jobs.submit(wait_and_return, {})).job_id
    for queue in ("cpu", "default"):
        taken = scripts.FETCH(redis, [queue], [10, 60, "test", *keys.PRIORITY_STEPS])
        for job_id, token in zip(taken[::5], taken[1::5], strict=True):
            status = "SUCCESS" if job_id.decode() == sums[0] else "FAILURE"
            fields = ["result", "1"] if status == "SUCCESS" else ["error", '{"type": "E", "message": "m"}']
            scripts.FINISH(redis, [], [60, job_id, token, status, 2, *fields])
    assert sorted(recent_jobs.requeue_all(jobs, Criteria("sum", "FAILURE"))) == sorted(sums[1:])
    assert [in_event_loop(jobs, jobs.look_up(sum_to_n_job, job_id)).status for job_id in sums] == [
        "SUCCESS",
        "PENDING",
        "PENDING",
    ]
    assert in_event_loop(jobs, jobs.look_up(wait_and_return, other)).status == "FAILURE"
    assert recent_jobs.requeue_all(jobs, Criteria("", "FAILURE")) == [other]
