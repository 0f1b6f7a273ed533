"""Draw a line chart as SVG, readable on light and dark pages."""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 70, 46, 150, 52
COLOURS = ("#0b6bcb", "#c2410c", "#15803d")
Series = dict[str, list[tuple[float, float]]]


def chart(path: Path, title: str, x_label: str, y_label: str, series: Series) -> None:
    """Write a chart with a line for each series; both axes begin at 0."""
    points = [point for line in series.values() for point in line]
    x_max, y_max = _round(max(x for x, _ in points)), _round(max(y for _, y in points))
    parts = [_text(LEFT, 24, title, "start", 16), *_axes(x_max, y_max), *_labels(x_label, y_label)]
    for number, (name, line) in enumerate(series.items()):
        parts += _line(name, line, x_max, y_max, COLOURS[number])
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">'
    )
    background = f'<title>{escape(title)}</title>\n<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, background, *parts, "</svg>\n"]))


def _x(value: float, most: float) -> float:
    return LEFT + value / most * (WIDTH - LEFT - RIGHT)


def _y(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)


def _round(value: float) -> float:
    """Return the next number above that divides well into five."""
    step = 10.0 ** len(str(int(value))) / 10 if value >= 1 else 0.1
    return next(step * factor for factor in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * factor >= value)


def _axes(x_max: float, y_max: float) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444"/>']
    for tick in range(6):
        x, y = _x(x_max * tick / 5, x_max), _y(y_max * tick / 5, y_max)
        lines.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        lines.append(_text(x, bottom + 18, f"{x_max * tick / 5:g}", "middle"))
        lines.append(_text(LEFT - 8, y + 4, f"{y_max * tick / 5:g}", "end"))
    return lines


def _labels(x_label: str, y_label: str) -> list[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'<g transform="rotate(-90 18 {middle})">{_text(18, middle, y_label, "middle")}</g>'
    return [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle"), turned]


def _line(name: str, line: list[tuple[float, float]], x_max: float, y_max: float, colour: str) -> list[str]:
    places = [(_x(x, x_max), _y(y, y_max)) for x, y in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
    label = _text(places[-1][0] + 8, places[-1][1] + 4, name, "start", colour=colour)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots, label]


def _text(x: float, y: float, text: str, anchor: str, size: int = 12, colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
