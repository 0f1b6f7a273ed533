"""Secrets stay in the settings: not in logs, job records, results, tracebacks, files, Flower or what the doctor says."""

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from project.settings import Settings
from tests.support.ftp_server import running_ftp
from tests.support.http import finished, submit
from tests.support.mail import Authority, SmtpServer
from tests.support.ports import free_port
from tests.support.postgres import running_postgres
from tests.support.stack import NativeStack
from tests.support.wait import wait_until
from tests.support.webhook import Webhook

pytestmark = pytest.mark.heavy

JOBS: dict[str, dict[str, Any]] = {
    "sum": {"number": 10},
    "send_email": {"to": ["bob@example.org"], "subject": "Homework", "text": "It is due."},
    "receive_emails": {},
    "backup_database": {},
    "backup_ftp": {},
}
REMINDER: dict[str, Any] = {
    "rrule": "FREQ=DAILY;COUNT=1",
    "notification_metadata": {
        "auth_header": "Bearer canary-of-reminder", "title": "Homework", "body": "Due!", "item_id": 7,
        "created_at": 1_795_245_213, "created_by": "ann", "classroom_id": "4b", "kind": "homework",
    },
}  # fmt: skip


@dataclass
class Run:
    """A stack in which every secret is set, and everything that anybody could read about its work."""

    stack: NativeStack
    secrets: dict[str, str]
    seen: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run jobs of all kinds, successful and failing, with the most verbose logs."""
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as closing:
        (folder / "ftp").mkdir()
        ftp = closing.enter_context(running_ftp(folder / "ftp"))
        postgres = closing.enter_context(running_postgres(folder))
        owner, app, reader = postgres.new_database()
        smtp = SmtpServer(Authority(folder), login=True)
        closing.callback(smtp.stop)
        webhook = Webhook([500, 404])
        closing.callback(webhook.stop)
        settings: dict[str, Any] = {
            "REDIS_PASSWORD": "canary-of/redis@",
            "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp.port), "SMTP_USER": "ann", "SMTP_PASSWORD": "canary-of-smtp",
            "IMAP_HOST": "127.0.0.1", "IMAP_PORT": str(free_port()), "IMAP_USER": "ann",
            "IMAP_PASSWORD": "canary-of-imap",
            "DATABASE_URL": app, "DATABASE_OWNER_URL": owner, "DATABASE_READER_URL": reader,
            "NOTIFY_URL": f"http://127.0.0.1:{webhook.port}/canary-of-webhook",
        }  # fmt: skip
        settings |= {"HELLO_EVERY": "1", "LOG_LEVEL": "DEBUG"}
        settings |= {name: value for name, value in ftp.environment().items() if name.startswith("FTP_")}
        stack = closing.enter_context(NativeStack(folder / "run", whole=True, **settings))
        run = Run(stack, _secrets(settings))
        with stack.client() as http:
            _work(http)
            _look(run, http)
        yield run


def _secrets(settings: dict[str, str]) -> dict[str, str]:
    """Return the passwords; of a URL, the one in it, or its path."""
    named = {name: value for name, value in settings.items() if name.endswith(("_PASSWORD", "_URL"))}
    return {name: urlsplit(value).password or urlsplit(value).path.lstrip("/") for name, value in named.items()}


def _work(http: httpx.Client) -> None:
    reminder = http.post("/producer/api/remind_me", json=REMINDER | {"start_datetime": int(time.time()) + 5})
    assert reminder.status_code == 201, reminder.text
    ids = {task: submit(http, task, **arguments) for task, arguments in JOBS.items()}
    ended = {task: finished(http, task, job_id, 60)["status"] for task, job_id in ids.items()}
    assert ended["send_email"] == "FAILURE"  # the server refuses the password
    assert _first_job(http, reminder.headers["location"])["error"]["type"] == "NotifyRefused"  # after a 500
    assert ended["backup_database"] == ended["backup_ftp"] == "SUCCESS"
    wait_until(lambda: http.get("/producer/api/records").json()["records"])


def _first_job(http: httpx.Client, schedule: str) -> Any:
    """Return a schedule's first job when it has failed."""
    wait_until(lambda: http.get(schedule).json()["jobs"])
    job = http.get(schedule).json()["jobs"][0]["href"]
    wait_until(lambda: http.get(job).json()["status"] == "FAILURE")
    return http.get(job).json()


def _look(run: Run, http: httpx.Client) -> None:
    """Collect what anybody can see: pages, answers, logs and files."""
    paths = ["/producer/api/jobs?limit=200", "/producer/api/schedules", "/producer/health/ready?deep=1"]
    paths += ["/dashboard/workers", "/dashboard/tasks", "/dashboard/api/workers?refresh=1", "/dashboard/api/tasks"]
    paths += [f"/dashboard/worker/{each['name']}" for each in http.get("/producer/api/consumers").json()]
    paths += [f"/dashboard/task/{job['job_id']}" for job in http.get("/producer/api/jobs").json()["jobs"]]
    run.seen = {path: http.get(path).text for path in paths}
    command = [sys.executable, "-m", "project.health.doctor"]
    doctor = subprocess.run(command, env=run.stack.environment, check=False, capture_output=True, text=True, timeout=60)
    run.seen |= {"doctor": doctor.stdout + doctor.stderr, "log": run.stack.log}
    files = [path for path in run.stack.run_dir.rglob("*") if path.is_file()]
    for path in files:
        with suppress(FileNotFoundError):  # Flower renames its file every 5 s
            run.seen[str(path)] = path.read_bytes().decode(errors="replace")


def test_every_secret_setting_is_set() -> None:
    """A new secret setting must be added to this test."""
    secret = {name.upper() for name, each in Settings.model_fields.items() if "SecretStr" in str(each.annotation)}
    known = {"REDIS_PASSWORD", "SMTP_PASSWORD", "IMAP_PASSWORD", "FTP_PASSWORD"}
    known |= {"NOTIFY_URL", "DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_READER_URL"}
    # which are Compose's and RabbitMQ's only
    assert secret - {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "FLOWER_BROKER_API"} == known


def test_no_secret_is_seen_anywhere(run: Run) -> None:
    """Neither as it is nor as URLs and mail servers write it."""
    assert len(run.secrets) == 8 and len(run.seen) > 20
    found = [
        (name, where)
        for name, secret in run.secrets.items()
        for where, text in run.seen.items()
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
        if form in text
    ]
    assert found == []
