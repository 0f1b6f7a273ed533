"""Queueing theory in one sentence: whether the consumers keep up, with the numbers."""

from collections import Counter

import pytest

from project.jobs.theory import theory
from project.leased_transport.counts import Counts

CASES = {
    "no consumer": ([], 1, 10, 5, "No consumer serves these queues: jobs wait."),
    "nothing arrives": ([2], 0, 0, 0, "Nothing arrives: the slots are free."),
    "nothing has ended": ([2], 1, 0, 3, "No job has ended in the last minute, so the capacity is unknown."),
    "enough slots": ([2], 5, 10, 1, "Consumers keep up: 29% of the slots' time is used."),
    "nearly full": ([1], 8, 10, 1, "Consumers just keep up: 94% of the slots' time is used, so waiting times rise"),
    "a backlog": ([2], 10, 10, 102, "Consumers work off a backlog: the 100 waiting jobs take about 14 s."),
    "longer jobs": ([2], 1, 10, 2, "Consumers keep up so far: 100% of the slots are busy with longer jobs than"),
    "too much": ([1, 1], 40, 10, 9, "Arrivals exceed capacity by 23 jobs/s: the queue grows without bound; 3 more"),
}


@pytest.mark.parametrize(("slots", "arrivals", "ended", "jobs", "sentence"), CASES.values(), ids=CASES)
def test_the_sentence_says_whether_the_consumers_keep_up(
    slots: list[int], arrivals: int, ended: int, jobs: int, sentence: str
) -> None:
    """*arrivals* in a second, while *ended* jobs of 0.117 s each have ended and *jobs* wait or run."""
    counts = Counts(Counter(accepted=arrivals), runs=Counter({27: ended}))
    assert theory(["cpu"], slots, counts, 1, jobs)["sentence"].startswith(sentence)
