"""Mail on the whole stack: asked for over HTTP, caught by the stack's own server, seen at /mail/."""

import re
from email import message_from_string, policy
from pathlib import Path

import httpx
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.stack import NativeStack

pytestmark = pytest.mark.stack(SHUTDOWN_TIMEOUT=1, NOTIFICATION_CONSUMERS=1, SMTP_HOST="")  # catches its mail itself


def test_a_mail_is_sent_once_and_seen_at_mail(stack: NativeStack, http: httpx.Client) -> None:
    """As text, whatever is in it: no browser runs a mail of the stack's own address."""
    mail = {"to": ["bob@example.org"], "subject": "Grüße", "text": "Hello", "html": "<script>alert(1)</script>"}
    job = finished(http, "send_email", submit(http, "send_email", **mail))
    assert job["error"] is None
    page = http.get("/mail/")
    [name] = re.findall(r'href="([^".]+\.[^"]+)"', page.text)
    caught = http.get(f"/mail/{name}")
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
def test_an_invalid_mail_is_rejected_with_its_field_before_a_job_is_made(
    http: httpx.Client, field: str, wrong: dict[str, object]
) -> None:
    """With the name of the field."""
    mail = {"to": "bob@example.org", "subject": "Homework", "text": "Hello", **wrong}
    problem = assert_problem(http.post("/producer/api/send_email", json=mail), 422)
    assert [error["field"] for error in problem["errors"]] == [f"body.{field}"]


def test_no_mailbox_is_a_failed_job_that_names_the_setting(http: httpx.Client) -> None:
    """No mailbox is read until a setting names one."""
    job = finished(http, "receive_emails", submit(http, "receive_emails"))
    assert (job["status"], job["error"]["type"]) == ("FAILURE", "MailRefused")
    assert "IMAP_HOST" in job["error"]["message"]
