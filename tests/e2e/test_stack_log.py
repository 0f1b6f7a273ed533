"""RUN_DIR/stack.log: the whole log of the native stack, where a job's id leads to the request that it came with."""

import re

import httpx

from tests.support.http import finished, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until


def test_a_jobs_id_and_its_requests_id_are_in_one_line_of_the_log(stack: NativeStack, http: httpx.Client) -> None:
    """And so are both NGINX's line of the request and the consumer's lines of the job within reach of a second grep."""
    job_id = http.post("/producer/api/sum?job_id=one-grep", json={"number": 10}).json()["job_id"]
    finished(http, "sum", job_id)
    log = stack.run_dir / "stack.log"
    assert log.stat().st_mode & 0o777 == 0o600
    wait_until(lambda: f"success job_id={job_id} " in log.read_text())
    line = r"producer +\| .*accepted job_id=one-grep request_id=([0-9a-f]{32}) task=sum queue=cpu"
    accepted = re.search(line, log.read_text())
    assert accepted
    requests = [
        line for line in log.read_text().splitlines() if f"request_id={accepted[1]}" in line and "nginx" in line
    ]
    assert len(requests) == 1
    assert "POST /producer/api/sum?job_id=one-grep" in requests[0]


def test_a_request_that_is_repeated_is_in_the_log_with_the_job_that_it_got(
    stack: NativeStack, http: httpx.Client
) -> None:
    """Each of them with its own id."""
    for _ in range(2):
        http.post("/producer/api/sum", json={"number": 10}, headers={"Idempotency-Key": "log"}).raise_for_status()
    found = re.findall(r"(accepted|repeated) job_id=(\S+) request_id=(\w{32}) ", stack.log)[-2:]
    assert [event for event, *_ in found] == ["accepted", "repeated"]
    assert found[0][1] == found[1][1]
    assert found[0][2] != found[1][2]


def test_a_job_without_a_request_says_so(stack: NativeStack, producer_url: str) -> None:
    """As one that was sent to the producer's own port."""
    with httpx.Client(base_url=producer_url) as direct:
        job_id = submit(direct, "sum", number=10)
    wait_until(lambda: f"accepted job_id={job_id} request_id=none " in stack.log)
