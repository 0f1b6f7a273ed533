"""The figures of the benchmark: measured in interleaved rounds, kept as JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

RECORD = Path("docs/explanation/performance.json")
Measurement = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit, and the values of each side, one per round; the first side is the baseline."""

    name: str
    unit: str
    sides: dict[str, list[float]]

    def median(self, side: str) -> float:
        """Return the middle value of a side."""
        return median(self.sides[side])

    def ratio(self, side: str, other: str) -> float:
        """Return the median of the ratios of each round, in which both sides ran one after the other."""
        pairs = zip(self.sides[side], self.sides[other], strict=True)
        return median(one / two for one, two in pairs)

    @property
    def baseline(self) -> str:
        """Return the side with which the others are compared."""
        return next(iter(self.sides))


def interleave(name: str, unit: str, sides: Mapping[str, Measurement], rounds: int) -> Figure:
    """Measure all sides in turn (A B A B), so that changes on the machine affect all of them alike."""
    values: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measure in sides.items():
            values[side].append(measure())
    return Figure(name, unit, values)


def save(machine: dict[str, str], figures: list[Figure], path: Path = RECORD) -> None:
    """Write the figures, rounded to four significant digits."""
    rounded = [
        asdict(figure) | {"sides": {side: [float(f"{v:.4g}") for v in vs] for side, vs in figure.sides.items()}}
        for figure in figures
    ]
    path.write_text(json.dumps({"machine": machine, "figures": rounded}, indent=1, ensure_ascii=False) + "\n")


def load(path: Path = RECORD) -> tuple[dict[str, str], dict[str, Figure]]:
    """Return the machine and the figures by name."""
    record = json.loads(path.read_text())
    figures = [Figure(**figure) for figure in record["figures"]]
    return record["machine"], {figure.name: figure for figure in figures}
