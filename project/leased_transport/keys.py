"""The names of everything that the transport keeps in Redis; lua/common.lua lists what each key holds.

Scripts build the same names themselves, from the ids of jobs and the names of queues.
"""

from bisect import bisect

PRIORITY_STEPS = (0, 3, 5, 6, 9)  # a priority belongs to the last step that is not above it
DEFAULT_PRIORITY = 5  # for jobs that name none: the middle, so that others can be more urgent or less

RECENT = "jobs:recent"  # the index of recent jobs
FETCH_COUNTS = "taken"  # how many jobs were fetched so far, per queue
INBOX = "inbox"  # the list for entries of a queue's list that are not ids
PRODUCERS = "producers"  # the names of the producers that were up lately
CONSUMERS = "consumers"  # the names of the consumers that were up lately
ALL_CHANGES = "jobs"  # the channel on which every change of status is published
EVENT_RATE = "events:rate"  # how many jobs began, per second; only while Flower or another program listens


def job(job_id: str) -> str:
    """Return the key of a job's record, which is also the channel of its changes."""
    return f"job:{job_id}"


def step(priority: int | None) -> int:
    """Return the step that a priority belongs to."""
    above = bisect(PRIORITY_STEPS, DEFAULT_PRIORITY if priority is None else priority)
    return PRIORITY_STEPS[max(0, above - 1)]


def waiting(queue: str) -> list[str]:
    """Return the lists with the ids of a queue's waiting jobs, most urgent first."""
    return [queue if step == DEFAULT_PRIORITY else f"{queue}\x06\x16{step}" for step in PRIORITY_STEPS]


def delayed(queue: str) -> str:
    """Return the index of a queue's jobs that wait for their time."""
    return f"delayed:{queue}"


def leases(queue: str) -> str:
    """Return the index of a queue's jobs that are leased, or run with a broker without leases."""
    return f"leases:{queue}"


def wake_up(queue: str) -> str:
    """Return the list that idle consumers wait on; it has one entry while there is something to fetch."""
    return f"bell:{queue}"


def broker(kind: str) -> str:
    """Return the set of jobs that have their messages in another kind of broker: stock or amqp."""
    return f"broker:{kind}"


def counts(queue: str) -> str:
    """Return the hash that counts what has happened to the jobs of a queue."""
    return f"counts:{queue}"


def producer(name: str) -> str:
    """Return the key that a producer renews while it is up."""
    return f"producer:{name}"


def consumer(name: str) -> str:
    """Return the key that a consumer renews while it is up."""
    return f"consumer:{name}"
