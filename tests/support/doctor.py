"""Run `make doctor` for a stack of the tests."""

import subprocess
import sys

from tests.support.stack import NativeStack


def doctor(stack: NativeStack, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the doctor with the settings of the stack and additional ones."""
    command = [sys.executable, "-m", "project.health.doctor"]
    environment = stack.environment | settings
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
