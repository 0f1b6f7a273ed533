"""The processes of `make up` have the settings of its start, whatever their environment and `.env` say meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import finished, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

GIVEN: dict[str, Any] = {"NOTIFICATION_CONSUMERS": "1", "CONSUMER_POOL": "solo", "FTP_PASSWORD": "canary"}
GIVEN |= {"MAKEFLAGS": "rR -- FTP_PASSWORD=canary", "MFLAGS": "-rR"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A stack with a `.env`, with a setting in a file of its own, and with a password on the line of `make`."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "env").write_text("REDIS_PASSWORD='pä$$ #'\n")
    (folder / "queues").write_text("cpu,default\n")
    files = {"GLASSQUEUE_ENV_FILE": folder / "env", "CONSUMER_QUEUES_FILE": folder / "queues"}
    with NativeStack(folder / "run", **GIVEN | files) as stack:
        yield stack


def test_a_restarted_consumer_has_the_settings_of_the_start(stack: NativeStack, http: httpx.Client) -> None:
    """Though `.env` has been edited since, for the next start or in the middle of a line."""
    with Path(stack.settings["GLASSQUEUE_ENV_FILE"]).open("a") as file:
        file.write("REDIS_URL=redis://nowhere.invalid/0\nSMTP_US")
    (consumer,) = stack.pids("worker", "consumer.1@")
    os.kill(consumer, signal.SIGKILL)
    wait_until(lambda: stack.pids("worker", "consumer.1@") not in ([], [consumer]))
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_a_setting_in_a_file_does_not_replace_what_the_launcher_has_chosen(http: httpx.Client) -> None:
    """The consumer of notifications serves its own queue only."""
    consumers = http.get("/producer/api/consumers").json()
    queues = {consumer["name"].partition("@")[0]: sorted(consumer["queues"]) for consumer in consumers}
    assert queues == {"consumer.1": ["cpu", "default"], "consumer-notifications.1": ["notifications"]}


def test_the_line_of_make_reaches_no_part(stack: NativeStack) -> None:
    """It may contain passwords, which NGINX and Redis do not get."""
    environments = [process.environ() for process in stack.processes()]
    assert len(environments) > 5
    assert not [each for each in environments if each.keys() & {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS"}]
