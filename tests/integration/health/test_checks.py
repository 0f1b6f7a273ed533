"""One check cannot hide the findings of the others."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from project.check import Check
from project.health import checks
from project.settings import Settings
from tests.support.stopwatch import takes_less_than

DOCTOR = """
import threading
from project.health import checks, doctor

checks.LIMIT = 0.5
checks.WITH_BACKUPS.clear()
checks.WITH_BACKUPS["endless"] = lambda settings: threading.Event().wait()
doctor.main()
"""


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    """What an endless check waits for."""
    event = threading.Event()
    yield event
    event.set()


def test_a_check_that_does_not_end_does_not_hide_the_findings_of_the_others(
    monkeypatch: pytest.MonkeyPatch, ended: threading.Event
) -> None:
    """It is a finding itself, and is not started again while it runs."""
    monkeypatch.setattr(checks, "LIMIT", 0.3)
    started = []

    def endless(_: Settings) -> Check:
        started.append(threading.current_thread())
        ended.wait()
        return Check("endless", "ok", "in the end")

    def quick(_: Settings) -> Check:
        return Check("quick", "ok", "at once")

    for _ in range(2):
        with takes_less_than(3):
            found = checks.run_checks(Settings(_env_file=None), {"endless": endless, "quick": quick})
        assert [check.state for check in found] == ["failed", "ok"]
        assert found[0].name == "endless" and "no finding within 0.3 s" in found[0].found
    assert len(started) == 1
    ended.set()
    started[0].join()
    found = checks.run_checks(Settings(_env_file=None), {"endless": endless, "quick": quick})
    assert [check.state for check in found] == ["ok", "ok"]


def test_make_doctor_ends_although_a_check_does_not() -> None:
    """It prints what it has found."""
    done = subprocess.run([sys.executable, "-c", DOCTOR], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("failed  endless"), done.stderr
