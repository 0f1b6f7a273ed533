"""The metrics that the documentation lists, and those that a service offers."""

import re
from pathlib import Path

PAGE = Path("docs/how-to/watch-metrics.md")


def listed_metrics(heading: str) -> set[tuple[str, str]]:
    """Return name and type of the metrics in the table under a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (\w+) \|", section, re.MULTILINE)
    return {(name, kind) for names, kind in rows for name in re.findall(r"`(\w+)`", names)}


def offered_metrics(text: str) -> set[tuple[str, str]]:
    """Return name and type of the metrics in what Prometheus would read."""
    return set(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
