"""The samples of the last minute and the chart points of the last five: what rates, percentiles and theory need."""

from collections import deque
from statistics import fmean
from typing import Any

from project.jobs.sample import Sample
from project.jobs.theory import theory
from project.leased_transport.counts import EVENTS, Counts, mean, quantile

RATE, LOAD, THEORY = 2, 10, 60  # seconds over which rates, utilisation in the chart, and theory are averaged
CHART = 300  # seconds of chart points
GAP = 5  # seconds without a sample after which the earlier samples are discarded as outdated
COUNTED = ("at", "arrivals", "completions", "failures", "wait_p50", "wait_p95", "run_p50", "run_p95", "depth")
COLUMNS = (*COUNTED, "rho", "l", "w")
Point = dict[str, float | None]


class Window:
    """The recent samples, and the rates, chart points and theory computed from them."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()
        self._points: deque[Point] = deque()
        self._pointed: Sample | None = None  # the sample of the last point

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def newest(self) -> Sample:
        """Return the last sample."""
        return self._samples[-1]

    def add(self, sample: Sample) -> Point | None:
        """Add a sample; return a chart point if a second has passed since the last one."""
        if self._samples and sample.at - self.newest.at > GAP:
            self._samples.clear()
            self._pointed = None
        self._samples.append(sample)
        while sample.at - self._samples[0].at > THEORY:
            self._samples.popleft()
        if self._pointed is None:
            self._pointed = sample
        return self._point(self._pointed) if int(sample.at) > int(self._pointed.at) else None

    def changes(self) -> int:
        """Return how many changes were counted between the last two samples."""
        return sum(self._since(self._samples[-2]).events.values()) if len(self._samples) > 1 else 0

    def rates(self, queue: str | None = None) -> dict[str, float | None]:
        """Return the events per second of a queue, or of all; None before there are two samples."""
        first = self._first(RATE)
        seconds = self.newest.at - first.at
        counted = self._since(first, [queue] if queue else None)
        return {name: round(counted.events[name] / seconds, 1) if seconds else None for name in EVENTS}

    def theory(self) -> list[dict[str, Any]]:
        """Return the theory of each set of queues that the same consumers serve, the busiest first."""
        first = self._first(THEORY)
        seconds = self.newest.at - first.at
        groups: dict[tuple[str, ...], list[str]] = {}
        for name in self.newest.queues:
            servers = tuple(each["name"] for each in self.newest.consumers if name in each["queues"])
            groups.setdefault(servers, []).append(name)
        slots = {each["name"]: each["slots"] for each in self.newest.consumers}
        found = [
            theory(names, [slots[name] for name in servers], self._since(first, names), seconds, self._mean(names))
            for servers, names in groups.items()
        ]
        return sorted(found, key=lambda each: each["utilisation"] or 0, reverse=True)

    def history(self) -> dict[str, list[float | None]]:
        """Return the chart points as columns."""
        oldest = self.newest.at - CHART
        return {name: [point[name] for point in self._points if (point["at"] or 0) > oldest] for name in COLUMNS}

    def _first(self, seconds: float) -> Sample:
        """Return the oldest sample that is not older than *seconds*."""
        return next(each for each in self._samples if self.newest.at - each.at <= seconds + 0.1)

    def _since(self, earlier: Sample, queues: list[str] | None = None) -> Counts:
        names = self.newest.counts if queues is None else queues
        return Counts.total(self.newest.counts[name].since(earlier.counts.get(name, Counts())) for name in names)

    def _mean(self, queues: list[str], seconds: float = THEORY) -> float:
        """Return the mean number of jobs that wait or run in some queues."""
        recent = [each for each in self._samples if self.newest.at - each.at <= seconds]
        return fmean(sum(each.in_system.get(name, 0) for name in queues) for each in recent)

    def _point(self, before: Sample) -> Point:
        now, self._pointed = self.newest, self.newest
        counted, seconds = self._since(before), now.at - before.at
        load = self._load(list(now.queues))
        point: Point = {
            "at": int(now.at),
            "arrivals": _per_second(counted.events["accepted"], seconds),
            "completions": _per_second(counted.ended, seconds),
            "failures": _per_second(counted.events["failed"], seconds),
            "wait_p50": _rounded(quantile(counted.waits, 0.5)),
            "wait_p95": _rounded(quantile(counted.waits, 0.95)),
            "run_p50": _rounded(quantile(counted.runs, 0.5)),
            "run_p95": _rounded(quantile(counted.runs, 0.95)),
            "depth": sum(depth["waiting"] + depth["delayed"] for depth in now.queues.values()),
            **load,
        }
        self._points.append(point)
        while len(self._points) > CHART:
            self._points.popleft()
        return point

    def _load(self, queues: list[str]) -> Point:
        """Return utilisation, the mean number of jobs in the system, and the mean time in it."""
        first = self._first(LOAD)
        counted, seconds = self._since(first), self.newest.at - first.at
        run, slots = mean(counted.runs), sum(each["slots"] for each in self.newest.consumers)
        rho = counted.events["accepted"] / seconds * run / slots if run and slots and seconds else None
        spent = run + (mean(counted.waits) or 0) if run else None
        return {"rho": _rounded(rho), "l": _rounded(self._mean(queues, LOAD)), "w": _rounded(spent)}


def _per_second(number: float, seconds: float) -> float:
    return round(number / seconds, 1)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
