"""Reminders send a notification each time, with an Authorization header that is never shown."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from tests.support.stack import NativeStack
from tests.support.wait import wait_until

SECRET = "Bearer do-not-tell"
METADATA: dict[str, Any] = {
    "auth_header": SECRET,
    "title": "Homework",
    "body": "Due!",
    "item_id": 7,
    "created_at": 1_795_245_213,
}
METADATA |= {"created_by": "ann", "classroom_id": "4b", "kind": 3}
API = "/producer/api"


@pytest.fixture(scope="module")
def inbox() -> Iterator[Any]:
    """A web server that keeps what is posted to it."""

    class Inbox(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            received.append((self.headers["authorization"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    received: list[Any] = []
    server = HTTPServer(("127.0.0.1", 0), Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, inbox: Any) -> Iterator[NativeStack]:
    """A stack that knows where to send notifications, and logs all it can."""
    run_dir = tmp_path_factory.mktemp("reminders") / "run"
    settings: dict[str, Any] = {"SHUTDOWN_TIMEOUT": 1, "LOG_LEVEL": "DEBUG", "NOTIFICATION_CONSUMERS": 1}
    with NativeStack(run_dir, NOTIFY_URL=inbox[0], **settings) as stack:
        yield stack


def test_a_reminder_notifies_each_time_and_its_authorization_is_seen_by_the_receiver_only(
    stack: NativeStack, http: httpx.Client, inbox: Any
) -> None:
    """Lists of jobs and schedules do not contain it, nor do logs."""
    reminder = {
        "rrule": "FREQ=SECONDLY;COUNT=2",
        "start_datetime": int(time.time()) + 3,
        "notification_metadata": METADATA,
    }
    made = http.post(f"{API}/remind_me", json=reminder)
    assert made.status_code == 201, made.text
    wait_until(lambda: len(inbox[1]) == 2)
    shown = {name: value for name, value in METADATA.items() if name != "auth_header"}
    assert inbox[1] == [(SECRET, shown)] * 2
    path = made.headers["location"]
    wait_until(lambda: http.get(path).json()["status"] == "ended")
    jobs = [http.get(job["href"]).text for job in http.get(path).json()["jobs"]]
    assert len(jobs) == 2
    listings = [http.get(f"{API}/{each}").text for each in ("jobs", "schedules", "consumers", "queues")]
    redis: Any = stack.redis()
    records = [str(redis.hgetall(key)) for key in redis.scan_iter("job:*")]
    assert records
    assert "notify" in stack.log
    assert all("do-not-tell" not in text for text in [made.text, *jobs, *listings, *records, stack.log])


def test_an_invalid_reminder_is_rejected_without_repeating_its_authorization(http: httpx.Client) -> None:
    """Also when the authorization is what is wrong."""
    good: dict[str, Any] = {"rrule": "FREQ=DAILY", "start_datetime": 1_893_456_000, "notification_metadata": METADATA}
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"rrule": "FREQ=NEVER"}, "body.rrule"),
        ({"start_datetime": -1}, "body.start_datetime"),
        (
            {"notification_metadata": METADATA | {"auth_header": f"{SECRET}\n"}},
            "body.notification_metadata.auth_header",
        ),
        ({"notification_metadata": METADATA | {"title": None}}, "body.notification_metadata.title"),
    ]
    for wrong, field in wrongs:
        answer = http.post(f"{API}/remind_me", json={**good, **wrong})
        assert answer.status_code == 422
        assert field in [error["field"] for error in answer.json()["errors"]]
        assert "do-not-tell" not in answer.text


@pytest.mark.parametrize(
    "form", [{"kind": 2**53 + 1, "created_at": 1_795_245_213}, {"kind": "homework", "created_at": "2026-11-21"}]
)
def test_integers_stay_integers_and_texts_stay_texts(http: httpx.Client, form: dict[str, Any]) -> None:
    """Clients send either, and the receiver gets what was sent."""
    reminder = {"rrule": "FREQ=DAILY", "start_datetime": 1_893_456_000, "notification_metadata": METADATA | form}
    made = http.post(f"{API}/remind_me", json=reminder)
    assert made.status_code == 201, made.text
    kept = http.get(made.headers["location"]).json()["kwargs"]["notification"]
    assert {name: kept[name] for name in form} == form


@pytest.mark.parametrize("kind", [True, 2.5, None, "x" * 101, [1]])
def test_a_kind_that_is_neither_text_nor_integer_is_rejected(http: httpx.Client, kind: Any) -> None:
    """The problem names the field."""
    wrong = {"rrule": "FREQ=DAILY", "start_datetime": 1_893_456_000, "notification_metadata": METADATA | {"kind": kind}}
    answer = http.post(f"{API}/remind_me", json=wrong)
    assert answer.status_code == 422
    assert all(error["field"].startswith("body.notification_metadata.kind") for error in answer.json()["errors"])


@pytest.mark.parametrize("item", [True, 2.5, None, "x" * 1001, "\ud800"])
def test_an_id_that_cannot_be_kept_is_rejected(http: httpx.Client, item: Any) -> None:
    """The problem names the field."""
    wrong = {
        "rrule": "FREQ=DAILY",
        "start_datetime": 1_893_456_000,
        "notification_metadata": METADATA | {"item_id": item},
    }
    answer = http.post(f"{API}/remind_me", content=json.dumps(wrong), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert all(error["field"].startswith("body.notification_metadata.item_id") for error in answer.json()["errors"])
