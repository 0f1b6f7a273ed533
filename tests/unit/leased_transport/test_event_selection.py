"""The choice of the jobs whose events are sent."""

from project.leased_transport.event_selection import ASKING_JOBS, BEGIN, JOBS_PER_SECOND, EventSelection


def _chosen(selection: EventSelection, count: int = 2000) -> set[str]:
    """Return which of some jobs are chosen when they begin."""
    return {job_id for job_id in map(str, range(count)) if selection.includes(BEGIN, job_id)}


def test_consumers_choose_the_same_jobs_by_a_hash_of_the_id() -> None:
    """At a higher rate some of those that are chosen at a lower one."""
    one, other, busier = EventSelection(), EventSelection(), EventSelection()
    one.learn(1, 4 * JOBS_PER_SECOND)
    other.learn(1, 4 * JOBS_PER_SECOND)
    busier.learn(1, 8 * JOBS_PER_SECOND)
    assert _chosen(one) == _chosen(other) > _chosen(busier)
    assert 400 < len(_chosen(one)) < 600


def test_a_chosen_job_stays_chosen_until_its_end_whatever_the_rate() -> None:
    """A job that was not chosen when it began has no event later."""
    selection = EventSelection()
    selection.learn(1, 1)
    assert selection.includes(BEGIN, "early")
    selection.learn(1, 10**9)
    assert not selection.includes(BEGIN, "late")
    selection.learn(1, 1)
    assert selection.includes("task-started", "early") and selection.includes("task-succeeded", "early")
    assert not selection.includes("task-succeeded", "late")


def test_the_end_of_a_job_that_began_elsewhere_is_sent() -> None:
    """A killed slot of the pool `forked` cannot send it; the consumer's front process does."""
    selection = EventSelection()
    selection.learn(1, 1)
    assert selection.includes("task-failed", "killed")
    assert not selection.includes("task-started", "unknown")


def test_without_a_listener_only_some_jobs_ask_and_are_then_given_up() -> None:
    """Otherwise a program that begins to listen would get the ends of jobs without their beginnings."""
    selection = EventSelection()
    assert len(_chosen(selection)) == 2000  # nobody has answered yet
    selection.begun()
    selection.learn(0, 0)
    assert len(_chosen(selection)) == ASKING_JOBS
    selection.learn(0, 0)
    assert not selection.includes("task-succeeded", "0")
