"""Measure and draw the plots of the labs and how-tos: `python -m docs.tools.labs.plots` (about three minutes)."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from docs.labs.measure.jobs import finished, span, waited
from docs.tools.labs.checks import numbers
from docs.tools.labs.pages import IMAGES
from docs.tools.labs.svg import chart
from project.client import Client
from tests.support.stack import NativeStack

FOLDER = Path("docs/images/labs")
THREADS: dict[str, Any] = {"CONSUMER_POOL": "threads"}


def main() -> None:
    """Draw all plots."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_the_knee(folder)
        draw_waits(folder)
        draw_throughput(folder)


def draw_the_knee(folder: Path) -> None:
    """Draw the wait at different utilisations of one slot."""
    waits: dict[str, list[tuple[float, float]]] = {"95th percentile": [], "median": []}
    with NativeStack(folder / "knee", CONSUMER_SLOTS=1, **THREADS) as stack:
        for utilisation in (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1):
            measured = _load(stack, utilisation)
            waits["95th percentile"].append((utilisation, measured["plot_wait_p95"]))
            waits["median"].append((utilisation, measured["plot_wait_p50"]))
    chart(IMAGES / "knee.svg", "Wait of a job, one slot, random arrivals", "utilisation", "seconds", waits)


def _load(stack: NativeStack, utilisation: float) -> dict[str, float]:
    command = [sys.executable, "-m", "docs.labs.measure", "load", "--name", "plot", "--jobs", "70"]
    command += ["--utilisation", str(utilisation)]
    return numbers(subprocess.run(command, env=stack.environment, check=True, capture_output=True, text=True).stdout)


def draw_waits(folder: Path) -> None:
    """Draw the wait of each of 60 jobs that are submitted at once, with one consumer and with three."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for consumers in (1, 3):
        with NativeStack(folder / f"waits-{consumers}", CONSUMERS=consumers) as stack:
            done = _burst(stack, 60, "wait_and_return", {"seconds": 0.5})
        lines[f"{consumers} consumer{'s' if consumers > 1 else ''}"] = [
            (number, waited(job)) for number, job in enumerate(done, 1)
        ]
    title = "Wait of 60 jobs of 0.5 s, submitted at once; two slots each"
    chart(FOLDER / "waits.svg", title, "number of the job", "seconds", lines)


def draw_throughput(folder: Path) -> None:
    """Draw the jobs per second of threads against their number, for jobs that wait and for jobs that compute."""
    kinds: dict[str, tuple[str, dict[str, Any], int]] = {
        "0.2 s of sleep": ("wait_and_return", {"seconds": 0.2}, 0),
        "counting primes": ("count_primes", {"limit": 40_000}, 24),
    }
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for slots in (1, 2, 4, 8, 12):
        with NativeStack(folder / f"slots-{slots}", CONSUMER_SLOTS=slots, **THREADS) as stack:
            for name, (task, arguments, jobs) in kinds.items():
                done = _burst(stack, jobs or 8 * slots, task, arguments)
                lines[name].append((slots, len(done) / span(done)))
    chart(FOLDER / "throughput.svg", "Throughput of threads", "slots", "jobs per second", lines)


def _burst(stack: NativeStack, count: int, task: str, arguments: dict[str, Any]) -> list[Any]:
    with Client(stack.url) as client:
        ids = [client.submit(task, arguments).job_id for _ in range(count)]
        return finished(client, ids)


if __name__ == "__main__":
    main()
