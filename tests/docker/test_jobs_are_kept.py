"""What was accepted is done, whatever happens to the containers."""

import httpx
import pytest

from tests.support.compose import ComposeStack
from tests.support.http import finished, look_up, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


def test_a_restart_of_redis_keeps_queued_jobs(stack: ComposeStack, http: httpx.Client) -> None:
    """They are in the append-only file on a named volume, and their records too."""
    done = submit(http, "sum", number=4)
    assert finished(http, "sum", done, timeout=60)["result"] == 10
    stack.compose("stop", "consumer")
    queued = {number: submit(http, "sum", number=number) for number in range(20)}
    stack.compose("restart", "redis")
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200, 30)
    assert {look_up(http, "sum", job_id)["status"] for job_id in queued.values()} == {"PENDING"}
    assert look_up(http, "sum", done)["result"] == 10
    stack.up("--no-recreate")
    for number, job_id in queued.items():
        assert finished(http, "sum", job_id, timeout=60)["result"] == number * (number + 1) // 2


def test_adding_a_consumer_never_purges_the_queue(stack: ComposeStack, http: httpx.Client) -> None:
    """A consumer that starts takes its share of what waits, and nothing is lost or done twice."""
    stack.compose("stop", "consumer")
    waiting = [submit(http, "wait_and_return", seconds=0.1, message=str(number)) for number in range(20)]
    stack.scale(consumer=2)
    jobs = [finished(http, "wait_and_return", job_id, timeout=60) for job_id in waiting]
    stack.scale(consumer=1)
    assert [job["result"] for job in jobs] == [str(number) for number in range(20)]
    assert {job["attempts"] for job in jobs} == {1}


def test_a_stopped_consumer_hands_its_long_job_to_another(
    configured_stack: ComposeStack, figures: dict[str, object]
) -> None:
    """`docker stop` sends SIGTERM; a job of 30 s does not end within SHUTDOWN_TIMEOUT, so another consumer does it."""
    with configured_stack.client() as http:
        job_id = submit(http, "wait_and_return", seconds=30, message="handed over")
        wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
        first = look_up(http, "wait_and_return", job_id)
        seconds = configured_stack.stop_container(first["consumer"].partition("@")[2])
        job = finished(http, "wait_and_return", job_id, timeout=60)
    figures["seconds that a consumer with a 30 s job takes to stop"] = round(seconds, 1)
    assert (job["status"], job["result"], job["attempts"]) == ("SUCCESS", "handed over", 2)
    assert job["consumer"] != first["consumer"]
    assert seconds < 10
    configured_stack.up("--no-recreate")
