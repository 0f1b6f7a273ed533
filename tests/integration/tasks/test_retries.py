"""Retries: what failed is tried again as its policy says, and waits for that in Redis."""

import pytest

from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


def test_a_job_is_tried_again_until_it_succeeds(tasks: Tasks) -> None:
    """The attempts are counted in its record, and its end is the good one."""
    record = tasks.ended(tasks.submit("fail_times", "twice", 2))
    assert (record["status"], record["result"], record["attempts"]) == ("SUCCESS", 3, "3")


def test_a_job_waits_in_redis_for_its_next_try(tasks: Tasks) -> None:
    """No consumer holds it meanwhile, and its status says what it waits for."""
    job_id = tasks.submit("fail_times", "waits", 5)
    wait_until(lambda: tasks.redis.zscore("delayed:prefork", job_id))
    assert tasks.record(job_id)["status"] == "RETRY"
    assert tasks.redis.zscore("leases:prefork", job_id) is None


@pytest.mark.parametrize(("error", "attempts"), [("ValueError", "2"), ("LookupError", "1"), ("KeyError", "1")])
def test_once_means_once_and_a_final_error_is_final(tasks: Tasks, error: str, attempts: str) -> None:
    """A KeyError is a LookupError, which is declared as final; the last error is what the job ends with."""
    record = tasks.ended(tasks.submit("fail_with", error))
    assert (record["status"], record["error"]["type"], record["attempts"]) == ("FAILURE", error, attempts)


def test_an_exceeded_time_limit_is_final(tasks: Tasks) -> None:
    """Even with ALWAYS: it would only take as long again."""
    record = tasks.ended(tasks.submit("never_ends"))
    assert (record["error"]["type"], record["attempts"]) == ("SoftTimeLimitExceeded", "1")


def test_retries_work_on_the_stock_transport_too(stock_tasks: Tasks) -> None:
    """There Celery's consumer holds the job until it is due."""
    tasks = stock_tasks
    tasks.worker("stock", "solo")
    record = tasks.ended(tasks.submit("fail_times", "stock", 1, queue="stock"))
    assert (record["status"], record["result"], record["attempts"]) == ("SUCCESS", 2, "2")
