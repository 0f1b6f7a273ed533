"""`make doctor`, asked about a stack of the tests."""

import subprocess
import sys

from tests.support.stack import NativeStack


def doctor(stack: NativeStack, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it with the settings of the stack and others."""
    command = [sys.executable, "-m", "project.health.doctor"]
    environment = stack.environment | settings
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
