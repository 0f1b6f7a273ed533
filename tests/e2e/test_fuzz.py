"""Schemathesis sends what the OpenAPI document allows and forbids, through NGINX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import NativeStack

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(300),
    # the fuzzer leaves many jobs that wait for up to a minute; with CHAOS it would freeze Redis
    pytest.mark.stack(SHUTDOWN_TIMEOUT=1, CHAOS=0, whole=True),
]


def test_no_request_makes_a_server_error_or_breaks_the_schema(stack: NativeStack, tmp_path: Path) -> None:
    """Every answer has a documented status, type and shape; what the schema forbids is refused."""
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{stack.url}/producer/openapi.json"]
    # DELETE on a job that has not ended cancels it, and it can be looked up then; streams have tests of their own
    # which arguments a job can be requeued with depends on its task, which no schema can say
    leave_out = ["--exclude-checks=use_after_free", "--exclude-operation-id-regex=^follow_|^requeue_job$"]
    # how much of what it makes up for a path it must drop is the generator's own affair
    leave_out += ["--suppress-health-check=filter_too_much"]
    options = ["--checks=all", *leave_out, "--max-examples=15", "--seed=1", "--generation-deterministic", "--workers=1"]
    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks", "PYTHONPATH": str(Path.cwd())}
    run = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=280, cwd=tmp_path, env=hooks
    )
    assert run.returncode == 0, run.stdout[-6000:]
