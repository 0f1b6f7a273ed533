"""The leases of slots that their consumer's front process renews, together with what it reaps."""

import os
import signal
import subprocess

import pytest
from celery import Celery

from project.leased_transport.forked import TaskPool
from project.leased_transport.lease_board import Lease
from project.leased_transport.standby_process import is_stopped
from tests.support.wait import wait_until

LEASE = Lease("job", 1, "cpu")


@pytest.fixture
def pool() -> TaskPool:
    """A pool of two slots, of which the first has just renewed a lease."""
    pool = TaskPool(limit=2, app=Celery(set_as_current=False))
    pool.boards[0].leases.renewed([LEASE])
    return pool


def test_leases_that_a_slot_has_just_renewed_are_renewed_too(pool: TaskPool) -> None:
    """Redis may run the step that reaps after an outage, in which they expired, and before the slot's next renewal."""
    pool.boards[0].restart(os.getpid())
    assert [lease.tag for lease in pool.slot_leases()] == [LEASE.tag]


def test_a_lease_that_cannot_be_shown_hides_no_other(pool: TaskPool) -> None:
    """A job with a line break in its id may come from another kind of broker."""
    pool.boards[0].restart(os.getpid())
    pool.boards[0].leases.renewed([Lease("a\nb", 1, "cpu"), Lease("a\0b", 1, "cpu"), LEASE])
    assert [lease.tag for lease in pool.slot_leases()] == [LEASE.tag]


def test_leases_of_a_stopped_process_expire(pool: TaskPool) -> None:
    """It does not run its job either."""
    with subprocess.Popen(["sleep", "60"]) as process:
        pool.boards[0].restart(process.pid)
        try:
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: is_stopped(process.pid))
            assert pool.slot_leases() == []
        finally:
            process.kill()
