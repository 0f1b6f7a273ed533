"""A stack where nothing is as usual: the folder's name, proxies in the environment, IPv6, a password of odd characters."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http import finished, submit
from tests.support.newcomer import NOT_COPIED
from tests.support.nginx import ODD_NAME
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

PROXIES: dict[str, Any] = {
    "http_proxy": "http://127.0.0.1:9",
    "all_proxy": "socks5://127.0.0.1:9",
    "no_proxy": "[::1],fd00::/8, *.example",
}
QUEUES = "cpu,default,notifications"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A copy of the project, started in its folder."""
    folder = tmp_path_factory.mktemp("odd") / ODD_NAME
    shutil.copytree(".", folder, ignore=NOT_COPIED)
    (folder / ".env").write_text("REDIS_PASSWORD='pa$$w0rd${HOME} \"@:/%#1ä'\nREDIS_HOST=::1\nHTTP_BIND=::1\n")
    stack = NativeStack(folder / ".run", folder=folder, SMTP_HOST="", CONSUMER_QUEUES=QUEUES, **PROXIES)
    stack.url = f"http://[::1]:{stack.settings['HTTP_PORT']}"
    with stack:
        yield stack


def test_jobs_run(http: httpx.Client) -> None:
    """Through NGINX, Redis and a consumer."""
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_the_page_and_caught_mail_are_served(http: httpx.Client) -> None:
    """NGINX reads both from the odd folder."""
    assert "Glassqueue" in http.get("/").text
    mail = {"to": ["ann@example.org"], "subject": "Odd", "text": "Hello."}
    finished(http, "send_email", submit(http, "send_email", **mail))
    wait_until(lambda: http.get("/mail/").text.count("<a href") > 1)


def test_the_banner_has_addresses_that_work(stack: NativeStack) -> None:
    """And a command that curl does not send to the proxy."""
    assert f"page        {stack.url}/\n" in stack.log
    command = next(line for line in stack.log.splitlines() if line.strip().startswith("curl"))
    run = subprocess.run(command, shell=True, env=stack.environment, check=True, capture_output=True, text=True)
    assert '"message":"job published"' in run.stdout


def test_the_client_and_redis_cli_find_the_stack(stack: NativeStack) -> None:
    """Started from another folder of the project, with the password of `.env`."""
    client = _run(stack, "project.client", "submit", "sum", "number=3", "--wait", "--url", stack.url)
    assert client.stdout == "6\n", client.stderr
    redis_cli = _run(stack, "project.native.redis_cli", "PING")
    assert redis_cli.stdout == "PONG\n", redis_cli.stderr


def _run(stack: NativeStack, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(
        command, cwd=stack.run_dir.parent, env=stack.environment, check=False, capture_output=True, text=True
    )
