"""RUN_DIR/stack.log: the whole log of the native stack, where a job's id leads to the request that it came with."""

import re
import subprocess
import sys

import httpx

from tests.support.http import finished, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until


def test_a_jobs_id_and_its_requests_id_are_in_one_line_of_the_log(stack: NativeStack, http: httpx.Client) -> None:
    """And so are NGINX's line of the request, in a file of its own, and the consumer's lines within reach of another grep."""
    job_id = http.post("/producer/api/sum?job_id=one-grep", json={"number": 10}).json()["job_id"]
    finished(http, "sum", job_id)
    log = stack.run_dir / "stack.log"
    assert log.stat().st_mode & 0o777 == 0o600
    wait_until(lambda: f"success job_id={job_id} " in log.read_text())
    line = r"producer +\| .*accepted job_id=one-grep request_id=([0-9a-f]{32}) task=sum queue=cpu"
    accepted = re.search(line, log.read_text())
    assert accepted
    access_log = stack.run_dir / "access.log"
    wait_until(lambda: f"request_id={accepted[1]}" in access_log.read_text())
    assert access_log.stat().st_mode & 0o777 == 0o600
    requests = [line for line in access_log.read_text().splitlines() if f"request_id={accepted[1]}" in line]
    assert len(requests) == 1
    assert "POST /producer/api/sum?job_id=one-grep" in requests[0]


def test_a_request_that_is_repeated_is_in_the_log_with_the_job_that_it_got(
    stack: NativeStack, http: httpx.Client
) -> None:
    """Each of them with its own id."""
    key = {"Idempotency-Key": "log"}
    first, second = (http.post("/producer/api/sum", json={"number": 10}, headers=key).json() for _ in range(2))
    assert first["job_id"] == second["job_id"]
    line = rf"(accepted|repeated) job_id={first['job_id']} request_id=(\w{{32}}) "
    wait_until(lambda: len(re.findall(line, stack.log)) == 2)
    (event, request), (later, repeated) = re.findall(line, stack.log)
    assert (event, later) == ("accepted", "repeated")
    assert request != repeated


def test_a_job_without_a_request_says_so(stack: NativeStack, producer_url: str) -> None:
    """As one that was sent to the producer's own port."""
    with httpx.Client(base_url=producer_url) as direct:
        job_id = submit(direct, "sum", number=10)
    wait_until(lambda: f"accepted job_id={job_id} request_id=none " in stack.log)


def test_the_log_of_one_job_contains_its_request_and_its_lines_only(stack: NativeStack, http: httpx.Client) -> None:
    """`make logs JOB=id` prints the lines of all parts, and nothing about other jobs."""
    for job_id in ("log-of-one", "log-of-one-2"):
        http.post(f"/producer/api/sum?job_id={job_id}", json={"number": 10}).raise_for_status()
        finished(http, "sum", job_id)
    wait_until(lambda: "success" in _logs(stack, JOB="log-of-one"), what="all lines are written")
    lines = [line.split(maxsplit=2) for line in _logs(stack, JOB="log-of-one").splitlines()]
    assert sorted(part for _, part, _ in lines) == ["consumer.1", "consumer.1", "nginx", "producer"]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", time) and "log-of-one-2" not in text for time, _, text in lines)


def test_the_log_of_a_part_has_no_lines_of_others(stack: NativeStack) -> None:
    """`make logs PART=consumer` prints those of all consumers."""
    lines = _logs(stack, PART="consumer").splitlines()
    assert lines and all(" consumer" in line.partition("|")[0] for line in lines)


def test_the_log_of_an_unknown_job_is_an_error(stack: NativeStack) -> None:
    """The message says where it was searched for."""
    assert f"glassqueue: no line about nobody is in {stack.run_dir}/stack.log" in _logs(stack, JOB="nobody")


def _logs(stack: NativeStack, **selected: str) -> str:
    command = [sys.executable, "-m", "project.native.logs"]
    run = subprocess.run(command, env=stack.environment | selected, check=False, capture_output=True, text=True)
    return run.stdout + run.stderr


def test_the_start_is_one_line_per_part_and_then_the_addresses(shared_stack: NativeStack) -> None:
    """No banner, no probe and no 502 of the first seconds; what the parts log meanwhile is in the log file."""
    before = shared_stack.log.partition("\n  Glassqueue is up.")[0]
    states = [line.split() for line in before.splitlines() if not line.startswith("glassqueue: SQLite file")]
    assert {state for _, state in states} == {"ready"}
    assert len(states) == len({name for name, _ in states}) > 8
    log = shared_stack.run_dir / "stack.log"
    wait_until(lambda: "consumer.1@" in log.read_text())
    assert "[queues]" not in log.read_text()
