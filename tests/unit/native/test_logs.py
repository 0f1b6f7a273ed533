"""`make logs`: the log of the stack, or one line that says why there is none."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_log_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """As that of another user's stack."""
    (tmp_path / "stack.log").mkdir()
    run = [sys.executable, "-m", "project.native.logs"]
    environment = os.environ | {"RUN_DIR": str(tmp_path)}
    done = subprocess.run(run, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"glassqueue: {tmp_path}/stack.log: Is a directory\n")
