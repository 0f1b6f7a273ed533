"""A job's record in Redis that lacks fields, or holds what cannot be read: the job is shown all the same."""

from datetime import UTC, datetime
from typing import Any

import pytest

from project.job_models import Job
from project.leased_transport.records import readable

WHOLE = {"task": "sum", "status": "FAILURE", "queue": "cpu", "token": "1", "submitted_at": "2026-11-27T00:00:00Z"}
WHOLE |= {"error": '{"type": "ValueError", "message": "no"}'}


def _job(fields: dict[str, str]) -> Job[Any]:
    record = readable({name.encode(): value.encode(errors="surrogateescape") for name, value in fields.items()})
    assert record
    return Job[Any].from_record("x", record)


@pytest.mark.parametrize("name", ["queue", "submitted_at", "error"])
def test_a_record_without_a_field_says_what_is_missing_and_what_to_do(name: str) -> None:
    """Its status stays what it is."""
    job = _job({field: value for field, value in WHOLE.items() if field != name})
    assert (job.status, job.ready, job.task) == ("FAILURE", True, "sum")
    assert job.error and job.error.type == "DamagedRecord"
    assert f"({name})" in job.error.message and "delete the job" in job.error.message


@pytest.mark.parametrize(
    "damage",
    [
        {"token": "many"},
        {"submitted_at": "yesterday"},
        {"error": "{"},
        {"error": "[1]"},
        {"status": "SUCCESS", "result": "{"},
        {"status": "STARTED", "progress": '{"fraction": 7}'},
        {"error": "\udcff"},
    ],
)
def test_a_record_with_a_field_that_cannot_be_read_is_shown(damage: dict[str, str]) -> None:
    """No list of jobs fails because of it."""
    job = _job(WHOLE | damage)
    assert job.error and job.error.type == "DamagedRecord"
    assert job.status == damage.get("status", "FAILURE")


def test_a_whole_record_is_shown_as_it_is() -> None:
    """Nothing is said about damage."""
    job = _job(WHOLE)
    assert job.error and job.error.type == "ValueError"
    assert job.attempts == 1


def test_a_result_that_no_parser_reads_is_shown_as_an_ellipsis() -> None:
    """Its record is whole."""
    job = _job(WHOLE | {"status": "SUCCESS", "result": "[" * 100_000 + "]" * 100_000})
    assert (job.status, job.result, job.error) == ("SUCCESS", "…", None)


@pytest.mark.parametrize("year", [1, 1969, 2603, 2999, 9999])
def test_the_time_of_a_delayed_job_is_shown_exactly(year: int) -> None:
    """However far away it is."""
    due = datetime(year, 1, 2, 3, 4, 5, tzinfo=UTC)
    job = _job(WHOLE | {"status": "PENDING", "due_at": str(due.timestamp())})
    assert job.due_at == due


@pytest.mark.parametrize("due", ["1e300", "-1e300", "nan", "inf", "soon", "999999999999"])
def test_a_time_that_no_calendar_has_is_damage(due: str) -> None:
    """The job is shown all the same."""
    job = _job(WHOLE | {"status": "PENDING", "due_at": due})
    assert (job.status, job.due_at, job.error and job.error.type) == ("PENDING", None, "DamagedRecord")
