"""Kill a consumer of this stack, and nothing else: its heartbeat names a process, and /proc says what that is."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from project.settings import Settings


def kill(consumer: dict[str, Any], settings: Settings) -> bool:
    """Send SIGKILL to a consumer and its pool; return False if its process is not one of this stack.

    A descriptor refers to the process: if it ends during the check, a new process with the same id is safe.
    """
    pid = consumer.get("pid")
    if not isinstance(pid, int) or pid <= 1 or consumer.get("host") != socket.gethostname():
        return False
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if not _is_consumer(Path("/proc", str(pid)), consumer["name"], settings):
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
        # its pool is in the process group that it leads: the launcher gives each part its own
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return True
    return False


def _is_consumer(process: Path, name: str, settings: Settings) -> bool:
    """Tell whether a process is a consumer of that name, of this user and of this RUN_DIR, that leads its group."""
    arguments = (process / "cmdline").read_bytes().split(b"\0")
    environment = (process / "environ").read_bytes().split(b"\0")
    wanted = {b"project.consumer", b"worker", f"{name.partition('@')[0]}@%h".encode()}
    return (
        process.stat().st_uid == os.getuid()
        and os.getpgid(int(process.name)) == int(process.name)
        and wanted <= set(arguments)
        and f"RUN_DIR={settings.run_dir}".encode() in environment
    )
