"""Queueing theory beside the measurement: utilisation, capacity and Little's law, and a sentence that explains them."""

from math import ceil
from typing import Any

from project.leased_transport.counts import Counts, mean

NEARLY_FULL = 0.85  # of the capacity: from here on, waiting times rise steeply


def theory(queues: list[str], slots: list[int], counts: Counts, seconds: float, in_system: float) -> dict[str, Any]:
    """Apply queueing theory to some queues; *counts* cover *seconds*, with *in_system* jobs in the queues on average.

    slots: the slots of each consumer. Returned rates are per second, times in seconds; None while no job has ended.
    l: the measured number of waiting and running jobs; lambda_w: the number that Little's law predicts.
    """
    arrivals = counts.events["accepted"] / seconds if seconds else 0.0
    run, wait = mean(counts.runs), mean(counts.waits)
    capacity = sum(slots) / run if run else None
    utilisation = arrivals / capacity if capacity else None
    lambda_w = arrivals * (run + (wait or 0)) if run else None
    numbers = {"arrival_rate": arrivals, "mean_run": run, "mean_wait": wait, "capacity": capacity}
    numbers |= {"utilisation": utilisation, "l": in_system, "lambda_w": lambda_w}
    known: dict[str, Any] = {"queues": queues, "slots": sum(slots)}
    known |= {name: _rounded(number) for name, number in numbers.items()}
    return known | {"sentence": _sentence(arrivals, slots, run, in_system)}


def _sentence(arrivals: float, slots: list[int], run: float | None, in_system: float) -> str:
    """Explain the numbers in one sentence."""
    if not slots:
        suffix = ": jobs wait" if in_system or arrivals else ""
        return f"No consumer serves these queues{suffix}."
    if not arrivals and not in_system:
        return "Nothing arrives: the slots are free."
    if not run:
        return "No job has ended in the last minute, so the capacity is unknown."
    return _balance(arrivals, slots, run, in_system)


def _balance(arrivals: float, slots: list[int], run: float, in_system: float) -> str:
    """Compare the arrivals with the capacity of the slots."""
    capacity, share = sum(slots) / run, arrivals * run / sum(slots)
    waiting = in_system - sum(slots)
    if share > 1:
        missing = ceil((arrivals * run - sum(slots)) / (sum(slots) / len(slots)))
        return (
            f"Arrivals exceed capacity by {_number(arrivals - capacity)} jobs/s: the queue grows without bound; "
            f"{missing} more consumer{'s' if missing > 1 else ''} would keep up."
        )
    if waiting > sum(slots):  # more than one job for each slot
        seconds = waiting / max(capacity - arrivals, capacity / 1000)
        return f"Consumers work off a backlog: the {waiting:,.0f} waiting jobs take about {seconds:,.0f} s."
    busy = min(in_system, sum(slots)) / sum(slots)
    if busy > share + 0.5:  # the running jobs are longer than those that have ended, the only ones in the mean run time
        return f"Consumers keep up so far: {busy:.0%} of the slots are busy with longer jobs than have ended."
    used = f"{share:.0%} of the slots' time is used"
    if share > NEARLY_FULL:
        return f"Consumers just keep up: {used}, so waiting times rise steeply with any more arrivals."
    return f"Consumers keep up: {used}."


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3 if abs(number) < 100 else 1)
