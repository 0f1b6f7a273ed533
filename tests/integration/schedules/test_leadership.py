"""Of several schedulers one leads, and there is always one."""

import time

import pytest

from tests.integration.schedules.conftest import StartScheduler
from tests.support.processes import RedisServer
from tests.support.schedulers import SchedulerProcess
from tests.support.wait import wait_until


def _touched(scheduler: SchedulerProcess) -> bool:
    return time.time() - scheduler.alive.stat().st_mtime < 1


def test_one_of_two_schedulers_leads_and_both_have_heartbeats(start: StartScheduler) -> None:
    """So that `--scale scheduler=2` is healthy."""
    first = start("first")
    wait_until(lambda: first.leads)
    second = start("second")
    since = second.alive.stat().st_mtime
    wait_until(lambda: second.alive.stat().st_mtime > since + 1)
    wait_until(lambda: _touched(first) and _touched(second))
    assert not second.leads


@pytest.mark.heavy
def test_the_other_scheduler_leads_ten_seconds_after_the_leader_was_killed(start: StartScheduler) -> None:
    """The claim of the dead one runs out."""
    first, second = start("first"), start("second")
    wait_until(lambda: first.leads or second.leads)
    leader, other = (first, second) if first.leads else (second, first)
    leader.kill()
    wait_until(lambda: other.leads, what="the other leads")


def test_the_other_scheduler_leads_at_once_when_the_leader_stops(start: StartScheduler) -> None:
    """It gives its claim up."""
    first = start("first")
    wait_until(lambda: first.leads)
    second = start("second")
    assert first.stop() == 0
    wait_until(lambda: second.leads, 3, "the other leads")


@pytest.mark.heavy
def test_a_leader_that_was_paused_for_longer_than_its_lock_no_longer_leads(start: StartScheduler) -> None:
    """It would fire what the other has fired."""
    first = start("first")
    wait_until(lambda: first.leads)
    second = start("second")
    first.send("STOP")
    wait_until(lambda: second.leads, what="the other leads")
    first.send("CONT")
    wait_until(lambda: "another scheduler leads now" in first.log.read_text())


def test_a_scheduler_survives_a_restart_of_redis(start: StartScheduler, server: RedisServer) -> None:
    """It has heartbeats while Redis is down, and continues when it is back."""
    scheduler = start("first")
    wait_until(lambda: scheduler.leads)
    server.kill()
    wait_until(lambda: "Redis does not respond" in scheduler.log.read_text())
    wait_until(lambda: _touched(scheduler))
    server.start()
    wait_until(lambda: server.client.get("schedules::lock"), what="it leads again")
    assert scheduler.process.poll() is None
