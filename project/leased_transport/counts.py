"""Read what lua/common.lua counts: how often each event has happened in a queue, and how long jobs waited and ran."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

PER_DOUBLING = 4  # buckets per doubling of a time, from FIRST on: a time is known to within a tenth
FIRST = 0.001  # seconds
STARTED = "started"
ENDED = ("succeeded", "failed")
EVENTS = ("accepted", STARTED, *ENDED, "retried", "returned", "revoked")


@dataclass(frozen=True)
class Counts:
    """Events by name, and two histograms: bucket -> number of jobs."""

    events: Counter[str] = field(default_factory=Counter)
    waits: Counter[int] = field(default_factory=Counter)
    runs: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, raw: Mapping[bytes, bytes]) -> Self:
        """Return the counts of a hash `counts:<queue>`; skip fields that another program wrote."""
        counts = cls()
        for name, value in raw.items():
            event, _, bucket = name.decode(errors="replace").partition(" ")
            if event in EVENTS and value.isdigit() and (not bucket or bucket.isdigit()):
                counts.events[event] += int(value)
                if bucket:
                    (counts.waits if event == STARTED else counts.runs)[int(bucket)] += int(value)
        return counts

    def since(self, earlier: "Counts") -> "Counts":
        """Return what was counted since an earlier reading."""
        return Counts(self.events - earlier.events, self.waits - earlier.waits, self.runs - earlier.runs)

    @classmethod
    def total(cls, several: Iterable["Counts"]) -> Self:
        """Return the sum of several counts."""
        total = cls()
        for each in several:
            total.events.update(each.events)
            total.waits.update(each.waits)
            total.runs.update(each.runs)
        return total

    @property
    def ended(self) -> int:
        """Return how many jobs have succeeded or failed."""
        return sum(self.events[name] for name in ENDED)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """Return the time in seconds below which a share of the jobs lies; None without jobs."""
    rest = share * sum(buckets.values())
    for bucket in sorted(buckets):
        if buckets[bucket] and rest <= buckets[bucket]:
            return _seconds(bucket + rest / buckets[bucket])
        rest -= buckets[bucket]
    return None


def mean(buckets: Mapping[int, int]) -> float | None:
    """Return the mean time in seconds; None without jobs."""
    number = sum(buckets.values())
    return sum(_seconds(bucket + 0.5) * count for bucket, count in buckets.items()) / number if number else None


def _seconds(bucket: float) -> float:
    return float(FIRST * 2 ** (bucket / PER_DOUBLING))
