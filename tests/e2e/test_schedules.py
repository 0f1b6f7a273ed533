"""Schedules over HTTP: made, looked at, changed; and what is wrong with one is said at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem, finished
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

API = "/producer/api/schedules"
SUM = {"task": "sum", "kwargs": {"number": 10}}


def make(http: httpx.Client, **definition: Any) -> dict[str, Any]:
    """Make a schedule and return it as the producer returns it."""
    response = http.post(API, json=SUM | definition)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"{API}/{response.json()['schedule_id']}"
    return dict(response.json())


def test_a_schedule_fires_and_shows_its_jobs(http: httpx.Client) -> None:
    """Three times, a second apart; then it has ended."""
    start = datetime.now(UTC) + timedelta(seconds=2)
    made = make(http, rrule=f"DTSTART:{start:%Y%m%dT%H%M%SZ} FREQ=SECONDLY;COUNT=3", description="three sums")
    assert made["status"] == "active"
    assert len(made["upcoming"]) == 3
    path = f"{API}/{made['schedule_id']}"
    wait_until(lambda: http.get(path).json()["status"] == "ended", what="it has ended")
    ended = http.get(path).json()
    assert ended["fired_count"] == 3
    assert ended["next"] is None
    assert ended["last_fired"] == made["upcoming"][-1]
    for job in ended["jobs"]:
        assert http.get(job["href"]).json()["task"] == "sum"
        assert finished(http, "sum", job["job_id"])["result"] == 55


def test_the_next_five_times_are_shown_with_and_without_creating_the_schedule(http: httpx.Client) -> None:
    """The preview makes nothing."""
    when = {"cron": "0 9 * * mon", "timezone": "Europe/Paris"}
    preview = http.post(f"{API}/preview", json=when)
    assert preview.status_code == 200
    made = make(http, **when)
    assert made["upcoming"] == preview.json()["upcoming"]
    days = [datetime.fromisoformat(moment) for moment in made["upcoming"]]
    assert [day.weekday() for day in days] == [0] * 5
    assert {day.hour for day in days} <= {7, 8}


def test_a_schedule_can_be_paused_resumed_fired_and_deleted(http: httpx.Client) -> None:
    """Paused, it has no next time; deleted, it is unknown."""
    path = f"{API}/{make(http, cron='@yearly')['schedule_id']}"
    paused = http.patch(path, json={"paused": True}).json()
    assert (paused["status"], paused["next"], paused["upcoming"]) == ("paused", None, [])
    resumed = http.patch(path, json={"paused": False}).json()
    assert resumed["status"] == "active"
    assert resumed["next"] == resumed["upcoming"][0]
    fired = http.post(f"{path}/run")
    assert fired.status_code == 202
    assert http.get(fired.headers["location"], params={"wait": 30}).json()["result"] == 55
    assert http.delete(path).status_code == 204
    for method, address in (("GET", path), ("DELETE", path), ("POST", f"{path}/run")):
        assert_problem(http.request(method, address), 404)
    assert_problem(http.patch(path, json={"paused": True}), 404)


@pytest.mark.parametrize("schedule_id", [":schedule", ":all", ":lock", ":statics"])
def test_internal_keys_of_the_scheduler_are_not_schedules(http: httpx.Client, schedule_id: str) -> None:
    """Deleting the index of due schedules would stop all of them."""
    path = f"{API}/{schedule_id}"
    for method, address in (("GET", path), ("DELETE", path), ("POST", f"{path}/run")):
        assert_problem(http.request(method, address), 404)
    assert_problem(http.patch(path, json={"paused": True}), 404)


def test_schedules_are_listed_the_newest_first(http: httpx.Client) -> None:
    """A page, and the next one."""
    made = [make(http, every="1h")["schedule_id"] for _ in range(3)]
    first = http.get(API, params={"limit": 2}).json()
    second = http.get(API, params={"limit": 2, "before": first["next"]}).json()
    listed = [schedule["schedule_id"] for schedule in first["schedules"] + second["schedules"]]
    assert listed[:3] == made[::-1]


def test_the_same_request_sent_to_two_producers_makes_one_schedule(http: httpx.Client, producer_url: str) -> None:
    """NGINX sends a request on to the next producer when one stops."""
    same = {"x-request-id": "0123456789abcdef0123456789abcdef"}
    with httpx.Client(base_url=producer_url) as producer:
        ids = {producer.post(API, json=SUM | {"cron": "@yearly"}, headers=same).json()["schedule_id"] for _ in range(2)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({}, "body.rrule"),
        ({"cron": "61 * * * *"}, "body.cron"),
        ({"every": "1h", "cron": "@daily"}, "body.every"),
        ({"every": "1h", "task": "nap"}, "body.task"),
        ({"every": "1h", "kwargs": {"number": "10"}}, "body.kwargs.number"),
        ({"every": "1h", "kwargs": {}}, "body.kwargs.number"),
        ({"every": "1h", "kwargs": {"number": 1, "extra": 1}}, "body.kwargs.extra"),
        ({"every": "1h", "colour": "red"}, "body.colour"),
        ({"trigger_at": "2020-01-01T00:00:00Z"}, "body.trigger_at"),
        ({"trigger_at": 1893456000}, "body.trigger_at"),
        ({"every": "1h", "timezone": "Mars/Olympus"}, "body.timezone"),
        ({"rrule": "FREQ=DAILY;UNTIL=20200101T000000Z"}, "body.rrule"),
        ({"every": "1h", "catch_up": "some"}, "body.catch_up"),
        ({"every": "0s"}, "body.every"),
        ({"every": "999ms", "until": "2100-01-01T00:00:00Z"}, "body.every"),
        ({"every": "18301d"}, "body.every"),
        ({"every": "2900000d"}, "body.every"),
        ({"every": "100000w"}, "body.every"),
        ({"every": "9" * 50}, "body.every"),
        ({"trigger_at": "9999-12-31T23:59:59-12:00"}, "body.trigger_at"),
        ({"rrule": "DTSTART:99991231T235959 FREQ=SECONDLY", "timezone": "Etc/GMT+12"}, "body.rrule"),
        ({"rrule": "DTSTART:00010101T000000 FREQ=DAILY", "timezone": "Pacific/Kiritimati"}, "body.rrule"),
        ({"rrule": "FREQ=DAILY;COUNT=2\nRDATE:99991231T235959Z", "timezone": "Asia/Tokyo"}, "body.rrule"),
    ],
)
def test_an_invalid_schedule_is_rejected_with_its_field(
    http: httpx.Client, definition: dict[str, Any], field: str
) -> None:
    """When it is made, not when it fires; nothing is kept."""
    before = http.get(API, params={"limit": 1}).json()["schedules"]
    problem = assert_problem(http.post(API, json=SUM | definition), 422)
    assert field in [error["field"] for error in problem["errors"]]
    assert http.get(API, params={"limit": 1}).json()["schedules"] == before


@pytest.mark.parametrize(
    "definition",
    [
        {"every": "18300d"},
        {"trigger_at": "8999-12-31T23:59:59-23:59"},
        {"cron": "0 0 29 feb *", "until": "9999-12-31T23:59:59-23:59", "timezone": "Pacific/Kiritimati"},
        {"rrule": "FREQ=YEARLY;INTERVAL=40;UNTIL=99991231T235959", "timezone": "Etc/GMT+12"},
        {"rrule": "DTSTART:89991231T235959Z FREQ=YEARLY;INTERVAL=1000000"},
        {"cron": "30 22-2/2 * january-mar fri-sunday"},
    ],
)
def test_a_schedule_near_the_end_of_the_calendar_is_shown_and_can_be_deleted(
    http: httpx.Client, definition: dict[str, Any]
) -> None:
    """In the list too."""
    made = make(http, **definition)
    path = f"{API}/{made['schedule_id']}"
    shown, listed = http.get(path).json(), http.get(API, params={"limit": 1}).json()["schedules"][0]
    # each response searches for the later times anew, for a moment only
    answers = [answer | {"upcoming": answer["upcoming"][:1]} for answer in (shown, listed, made)]
    assert answers[0] == answers[1] == answers[2]
    assert made["upcoming"] and made["upcoming"][0] == made["next"]
    assert http.delete(path).status_code == 204


def test_a_damaged_schedule_is_listed_with_the_reason_and_can_be_deleted(
    http: httpx.Client, stack: NativeStack
) -> None:
    """The list still has the other schedules."""
    whole, damaged = (make(http, cron="@yearly")["schedule_id"] for _ in range(2))
    with stack.redis() as redis:
        redis.hset(f"schedules:{damaged}", "definition", "{")
    listed = {each["schedule_id"]: each for each in http.get(API).json()["schedules"]}
    assert listed[whole]["status"] == "active"
    assert listed[damaged] == http.get(f"{API}/{damaged}").json()
    assert listed[damaged]["status"] == "invalid"
    assert "Invalid JSON" in listed[damaged]["error"]
    for answer in (
        http.patch(f"{API}/{damaged}", json={"paused": True}),
        http.post(f"{API}/{damaged}/run"),
    ):
        assert "delete this schedule" in assert_problem(answer, 409)["detail"]
    assert http.delete(f"{API}/{damaged}").status_code == 204
    assert_problem(http.get(f"{API}/{damaged}"), 404)


def test_trigger_at_fires_at_its_time(http: httpx.Client) -> None:
    """Not before, and soon after."""
    due = datetime.now(UTC) + timedelta(seconds=1.5)
    made = make(http, trigger_at=due.isoformat())
    path = f"{API}/{made['schedule_id']}"
    wait_until(lambda: http.get(path).json()["jobs"])
    job = http.get(http.get(path).json()["jobs"][0]["href"]).json()
    late = datetime.fromisoformat(job["submitted_at"]) - due
    assert timedelta(milliseconds=-1) <= late < timedelta(seconds=10)  # submitted_at is rounded to milliseconds


@pytest.mark.parametrize(
    "when", [{"trigger_at": "2035-01-01T09:00:00+05:30"}, {"every": "1h", "until": "2035-01-01T09:00:00+05:30"}]
)
def test_times_come_back_in_utc(http: httpx.Client, when: dict[str, str]) -> None:
    """Whatever offset they were sent with: in the answer, when it is looked up, and in the list."""
    made = make(http, **when)
    field = list(when)[-1]
    listed = {each["schedule_id"]: each for each in http.get(API).json()["schedules"]}
    for schedule in (made, http.get(f"{API}/{made['schedule_id']}").json(), listed[made["schedule_id"]]):
        assert schedule[field] == "2035-01-01T03:30:00Z"


def test_a_rule_may_come_from_a_calendar(http: httpx.Client) -> None:
    """With the name that Windows gives a time zone, folded lines, and days that are left out."""
    rrule = "DTSTART;TZID=W. Europe Standard Time:20350101T090000\r\nRRULE:FREQ=DAILY;UNTIL=\r\n 20350103\r\nEXDATE;VALUE=DATE:20350102"
    made = make(http, rrule=rrule)
    assert made["timezone"] == "Europe/Berlin"
    assert made["upcoming"] == ["2035-01-01T08:00:00Z", "2035-01-03T08:00:00Z"]
    refused = http.post(f"{API}/preview", json={"cron": "@daily", "timezone": "Berlin"})
    error = {
        "field": "body.timezone",
        "message": "there is no time zone 'Berlin'; give its IANA name, such as Europe/Berlin",
    }
    assert assert_problem(refused, 422)["errors"] == [error]
