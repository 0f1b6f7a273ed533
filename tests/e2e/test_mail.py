"""Mail on the whole stack: asked for over HTTP, caught by the stack's own server, seen at /mail/."""

import re
from collections.abc import Iterator
from email import message_from_string, policy
from pathlib import Path

import httpx
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.stack import NativeStack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A stack that sends mail; its own server catches it."""
    run_dir = tmp_path_factory.mktemp("mail") / "run"
    stack = NativeStack(run_dir, SHUTDOWN_TIMEOUT="1", NOTIFICATION_CONSUMERS="1", SMTP_HOST="").start()
    yield stack
    stack.stop()


@pytest.fixture
def producer(stack: NativeStack) -> Iterator[httpx.Client]:
    """A client of that stack."""
    with stack.client() as client:
        yield client


def test_a_mail_is_sent_once_and_seen_at_mail(stack: NativeStack, producer: httpx.Client) -> None:
    """As text, whatever is in it: no browser runs a mail of the stack's own address."""
    mail = {"to": ["bob@example.org"], "subject": "Grüße", "text": "Hello", "html": "<script>alert(1)</script>"}
    job = finished(producer, "send_email", submit(producer, "send_email", **mail))
    assert job["error"] is None
    page = producer.get("/mail/")
    [name] = re.findall(r'href="([^".]+\.[^"]+)"', page.text)
    caught = producer.get(f"/mail/{name}")
    assert (caught.headers["content-type"], caught.headers["x-content-type-options"]) == (
        "text/plain; charset=utf-8",
        "nosniff",
    )
    message = message_from_string(caught.text, policy=policy.default)
    assert (message["Subject"], message["To"]) == ("Grüße", "bob@example.org")
    assert message["Message-ID"].strip() == job["result"]["message_id"]
    assert len(list(Path(stack.run_dir, "mail", "new").iterdir())) == 1


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("to.0", {"to": "bob@example.org\r\nBcc: eve@example.org"}),
        ("to.1", {"to": ["bob@example.org", "nobody"]}),
        ("to", {"to": []}),
        ("subject", {"subject": "Homework\r\nBcc: eve@example.org"}),
        ("subject", {"subject": "x" * 201}),
        ("html", {"html": 1}),
    ],
)
def test_what_is_wrong_with_a_mail_is_told_before_there_is_a_job(
    producer: httpx.Client, field: str, wrong: dict[str, object]
) -> None:
    """With the name of the field."""
    mail = {"to": "bob@example.org", "subject": "Homework", "text": "Hello", **wrong}
    problem = assert_problem(producer.post("/producer/api/send_email", json=mail), 422)
    assert [error["field"] for error in problem["errors"]] == [f"body.{field}"]


def test_no_mailbox_is_a_failed_job_that_names_the_setting(producer: httpx.Client) -> None:
    """It is not set up until somebody says which one to read."""
    job = finished(producer, "receive_emails", submit(producer, "receive_emails"))
    assert (job["status"], job["error"]["type"]) == ("FAILURE", "MailRefused")
    assert "IMAP_HOST" in job["error"]["message"]
