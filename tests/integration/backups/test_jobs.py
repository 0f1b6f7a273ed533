"""Backups as jobs of a real consumer: tried again or not, killed, and one at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from project.integrations.backups import archives
from tests.support.ftp_server import DROPS, STALLS, FtpServer, running_ftp
from tests.support.processes import RedisServer
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FtpServer]:
    """An FTP server with a small and a large file."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "a.txt").write_bytes(b"a")
    (folder / "long").write_bytes(bytes(500_000))
    with running_ftp(folder) as server:
        yield server


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    """A producer, and no worker yet."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis:
        tasks = Tasks(redis.url, redis, tmp_path_factory.mktemp("workers"))
        yield tasks
        tasks.kill_workers()


@pytest.fixture(autouse=True)
def _clean(tasks: Tasks, server: FtpServer) -> Iterator[None]:
    """No worker and no mischief stays for the next test."""
    server.fetched.clear()
    server.stalled.clear()
    yield
    tasks.kill_workers()
    server.mischief.clear()


def _worker(tasks: Tasks, server: FtpServer, run_dir: Path, name: str = "one", **env: Any) -> None:
    tasks.worker(name, "prefork", 2, queues="maintenance", run_dir=run_dir, **server.options | env)


def test_a_dropped_connection_delays_a_backup(tasks: Tasks, server: FtpServer, tmp_path: Path) -> None:
    """The job is tried again, goes on where it was, and tells what it did."""
    server.mischief["long"] = DROPS
    _worker(tasks, server, tmp_path)
    record = tasks.ended(tasks.submit("backup_ftp", queue="maintenance"))
    assert (record["status"], record["result"]["files"], record["result"]["fetched"]) == ("SUCCESS", 2, 1)
    assert [name for name, _ in server.fetched] == ["a.txt", "long", "long"]
    assert record["progress"]["text"] == "packed 2 files"
    archives.verify(tmp_path / "backups", record["result"]["name"])


def test_a_rejected_login_fails_at_once_and_shows_no_secret(tasks: Tasks, server: FtpServer, tmp_path: Path) -> None:
    """Neither in the record nor in the log nor anywhere else in Redis."""
    _worker(tasks, server, tmp_path, ftp_password="canary-wrong")
    record = tasks.ended(tasks.submit("backup_ftp", queue="maintenance"))
    assert record["error"] == {"type": "LoginRefused", "message": "127.0.0.1 refuses the login of someone: 530"}
    dump = b"".join(tasks.redis.dump(key) for key in tasks.redis.scan_iter())
    assert b"canary" not in dump + tasks.log("one") + repr(record).encode()


def test_a_killed_consumer_delays_a_backup_and_a_second_one_is_refused(
    tasks: Tasks, server: FtpServer, tmp_path: Path
) -> None:
    """While one runs another fails with its reason; killed with -9, it is done by the next consumer."""
    server.mischief["long"] = STALLS
    _worker(tasks, server, tmp_path)
    first = tasks.submit("backup_ftp", queue="maintenance")
    assert server.stalled.wait(60)
    second = tasks.ended(tasks.submit("backup_ftp", queue="maintenance"))
    assert second["error"] == {
        "type": "AlreadyRunning",
        "message": "another job is backing up or restoring the ftp; try again when it has ended",
    }
    tasks.kill_workers()
    assert archives.all_of(tmp_path / "backups", "ftp") == []
    server.mischief.clear()
    _worker(tasks, server, tmp_path, "two")
    result = tasks.ended(first)["result"]
    assert [each.path.name for each in archives.all_of(tmp_path / "backups", "ftp")] == [result["name"]]
    wait_until(lambda: not list((tmp_path / "backups").glob(".unfinished*")))


def test_a_restore_has_no_endpoint_but_can_be_asked_for(tasks: Tasks) -> None:
    """It discards newer data, so it needs access to the broker."""
    routes = {
        task.name: task.route for task in tasks.app.tasks.values() if getattr(task, "queue_name", "") == "maintenance"
    }
    assert routes["restore_database"] is None
    assert all(routes[name] for name in ("backup_database", "backup_ftp", "verify_backup"))
