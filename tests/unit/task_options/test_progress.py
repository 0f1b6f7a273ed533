"""The reports of a task are checked, and passed on at a limited rate."""

import math
from contextvars import copy_context
from typing import Any

import pytest

from project.celery_config.tasks.demo import count_primes
from project.task_options.progress import report_progress, report_to


def _reports(*fractions: float) -> list[float]:
    """Return the reports of a job that are passed on."""
    written: list[Any] = []

    def job() -> None:
        report_to(written.append)
        for fraction in fractions:
            report_progress(fraction)

    copy_context().run(job)
    return [report["fraction"] for report in written]


@pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan, 50])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    """50 is probably meant as a percentage."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        report_progress(fraction)


def test_of_many_reports_at_once_beginning_and_end_get_through() -> None:
    """A loop may report in each iteration."""
    assert _reports(*(step / 1000 for step in range(1001))) == [0, 1]
    assert _reports(*[1.0] * 1000) == [1]


def test_a_long_progress_text_is_truncated() -> None:
    """It is stored, and sent to every listener."""
    written: list[Any] = []

    def job() -> None:
        report_to(written.append)
        report_progress(0.5, "x" * 5000)

    copy_context().run(job)
    assert written == [{"fraction": 0.5, "text": "x" * 1000}]


@pytest.mark.parametrize(("limit", "primes"), [(0, 0), (1, 0), (2, 1), (100, 25), (10_000, 1229)])
def test_count_primes_counts_the_primes(limit: int, primes: int) -> None:
    """Outside a job its reports go nowhere."""
    assert count_primes(limit) == primes
