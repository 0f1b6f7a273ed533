"""Measure how fast the project is beside others, and write the figures into the documentation: `python -m benchmarks`.

--quick: about two minutes; prints the figures, and changes no page. --parts: measures only some parts, and keeps the
other figures. --pages: measures nothing, and writes the recorded figures into the pages again.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import page
from benchmarks.figures import RECORD, Figure, load, save
from benchmarks.machine import describe
from benchmarks.plan import Plan
from tests.support.processes import RedisServer


def main() -> None:
    """Measure, and write."""
    options = _options()
    if options.pages:
        page.write(*load())
        return
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name)) as server:
        machine = describe(server.client)
        plan = Plan(server, Path(name), options.rounds or (1 if options.quick else 3), options.quick)
        figures = _measure(plan, options.parts)
    if options.quick:
        return
    if options.parts and RECORD.exists():
        figures = load()[1] | figures
    save(machine, list(figures.values()))
    page.write(*load())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--parts", nargs="+", default=[])
    return parser.parse_args()


def _measure(plan: Plan, chosen: list[str]) -> dict[str, Figure]:
    """Run the parts, print each figure as it comes, and return them by name."""
    figures = {}
    for name, part in plan.parts().items():
        if chosen and name not in chosen:
            continue
        begun = time.monotonic()
        for figure in part():
            figures[figure.name] = figure
            for row in page.rows(figure):
                print(row, flush=True)
        print(f"({name}: {time.monotonic() - begun:.0f} s)", flush=True)
    return figures


if __name__ == "__main__":
    main()
