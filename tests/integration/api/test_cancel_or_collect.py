"""DELETE of a job that cannot be done as asked: nothing is cancelled and nothing is deleted."""

from typing import Any

import pytest

from project.leased_transport import keys
from tests.support.http import assert_problem
from tests.support.producer import StartProducer

SUM, JOBS = "/producer/api/sum", "/producer/api/jobs"


@pytest.mark.parametrize("path", [SUM, JOBS])
def test_a_collect_that_cannot_wait_cancels_nothing(start: StartProducer, redis: Any, path: str) -> None:
    """Beyond MAX_WAITERS it is refused, unless it does not wait, or the job has ended already."""
    with start(max_waiters=0).client() as http:
        job_id = http.post(SUM, json={"number": 1}).json()["job_id"]
        assert_problem(http.delete(f"{path}/{job_id}", params={"wait": 30}), 429)
        assert http.get(f"{path}/{job_id}").json()["status"] == "PENDING"
        redis.hset(keys.job(job_id), mapping={"status": "SUCCESS", "result": "1"})
        assert http.delete(f"{path}/{job_id}", params={"wait": 30}).json()["result"] == 1
        waiting = http.post(SUM, json={"number": 1}).json()["job_id"]
        assert http.delete(f"{path}/{waiting}").json()["status"] == "REVOKED"
