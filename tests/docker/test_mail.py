"""Mail in containers: maildev catches it, and NGINX shows maildev's pages."""

from typing import Any

import httpx
import pytest

from tests.support.http import finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)


def test_a_mail_that_was_sent_is_seen_at_mail(http: httpx.Client) -> None:
    """Its page gets notified of new mail, its API lists it, and pages of other sites cannot read it."""
    mail = {
        "to": "bob@example.org",
        "subject": "Grüße",
        "text": "Hello",
        "html": "<script>alert(1)</script><b>Hello</b>",
    }
    job = finished(http, "send_email", submit(http, "send_email", **mail))
    assert job["error"] is None
    assert "MailDev" in http.get("/mail/").text
    assert http.get("/mail/socket.io/", params={"EIO": "4", "transport": "polling"}).status_code == 200
    caught = http.get("/mail/email", headers={"origin": "https://elsewhere.example"})

    def listed() -> list[Any]:
        found = http.get("/mail/email").json()
        return [each for each in found if f"<{each['messageId']}>" == job["result"]["message_id"]]

    [seen] = wait_until(listed)
    assert (seen["subject"], seen["to"][0]["address"], seen["text"].strip()) == ("Grüße", "bob@example.org", "Hello")
    assert "access-control-allow-origin" not in caught.headers
    for page in ("html", "HTML"):  # which are the same to maildev
        shown = http.get(f"/mail/email/{seen['id']}/{page}")
        assert "<b>Hello</b>" in shown.text
        assert shown.headers["content-security-policy"].startswith("sandbox ")
