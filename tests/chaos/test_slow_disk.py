"""What Redis may lose when it is killed: nothing with `always`, the last seconds with `everysec` and a slow disk."""

import ctypes
import os
from pathlib import Path

import pytest
from redis import Redis

from tests.support.processes import RedisServer
from tests.support.wait import wait_until

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207  # linux/ptrace.h
WALL = 0x40000000  # linux/wait.h: threads too


@pytest.mark.parametrize(("policy", "kept"), [("always", 100), ("everysec", 0)])
def test_what_a_killed_redis_forgets_when_its_disk_hangs(tmp_path: Path, policy: str, kept: int) -> None:
    """While an fsync of `everysec` is running, Redis answers without writing, for up to two seconds."""
    server = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", policy)
    try:
        thread = _freeze_background_fsync(server.process.pid)
        if policy == "everysec":
            wait_until(lambda: _fsync_is_under_way(server.client))
        with server.client.pipeline(
            transaction=False
        ) as pipeline:  # in one round trip, because Redis waits only for a second or two
            for _ in range(100):
                pipeline.incr("answered")
            pipeline.execute()
        server.send("KILL")
        os.waitpid(thread, WALL)  # a process ends only when the tracer of its thread has been notified
        server.kill()
        server.start()
        assert int(server.client.get("answered") or 0) == kept
    finally:
        server.kill()


def _freeze_background_fsync(pid: int) -> int:
    """Stop the thread of Redis that calls fsync every second, as a disk that does not answer would do."""
    thread = wait_until(lambda: _thread(pid, "bio_aof"))  # a thread gives itself its name when it first runs
    libc = ctypes.CDLL(None, use_errno=True)
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        assert libc.ptrace(request, thread, None, None) == 0, ctypes.get_errno()
    os.waitpid(thread, WALL)  # it has stopped
    return thread


def _thread(pid: int, name: str) -> int:
    threads = Path(f"/proc/{pid}/task").glob("*/comm")
    return next((int(path.parent.name) for path in threads if path.read_text().startswith(name)), 0)


def _fsync_is_under_way(client: Redis) -> bool:
    client.incr("unanswered")  # fsync is only called when there is something to write
    return bool(client.info("persistence")["aof_pending_bio_fsync"])
