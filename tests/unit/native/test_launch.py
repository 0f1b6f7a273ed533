"""What `make up` says before its parts have started."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port
from tests.support.stack import NativeStack


def test_a_redis_elsewhere_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    """The stack starts and waits for it, which used to be a minute of silence."""
    stack = NativeStack(tmp_path / "run", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", CONSUMERS="0")
    run = [sys.executable, "-m", "project.native"]
    with subprocess.Popen(run, env=stack.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert first.startswith("glassqueue: warning: Redis does not answer: ")
    assert "start it, or correct REDIS_URL" in first
