"""Break it in containers, where a consumer ends itself because no other process can kill it."""

import pytest

from tests.support.compose import ComposeStack
from tests.support.http import finished, look_up, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


def test_a_killed_consumer_loses_its_lease_and_is_started_again(configured_stack: ComposeStack) -> None:
    """The other consumer, or the same one after its restart, finishes the job."""
    with configured_stack.client() as http:
        job_id = submit(http, "wait_and_return", seconds=5)
        wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
        victim = look_up(http, "wait_and_return", job_id)["consumer"]
        consumers = "/producer/api/consumers"
        (before,) = (each["up_since"] for each in http.get(consumers).json() if each["name"] == victim)
        done = http.post("/producer/api/chaos/kill-consumer", json={"consumer": victim})
        assert (done.status_code, done.json()["target"]) == (202, victim), done.text
        ended = finished(http, "wait_and_return", job_id, timeout=120)
        assert (ended["status"], ended["attempts"]) == ("SUCCESS", 2)
        assert [run["outcome"] for run in http.get(f"/producer/api/jobs/{job_id}/story").json()["runs"]] == [
            "lost_lease",
            "success",
        ]
        wait_until(
            lambda: any(each["name"] == victim and each["up_since"] > before for each in http.get(consumers).json()),
            60,
            "it is started again",
        )
