"""Draw a figure as an SVG: a bar for the median of each side, a line from its least value to its greatest."""

from html import escape

from benchmarks.figures import Figure

WIDTH, LABELS, ROW, TOP = 760, 230, 34, 46
OURS, OTHERS = "#2563eb", "#94a3b8"


def draw(figure: Figure, ours: frozenset[str]) -> str:
    """Return the SVG; the bars of *ours* stand out."""
    height = TOP + ROW * len(figure.sides) + 14
    scale = (WIDTH - LABELS - 110) / max(max(values) for values in figure.sides.values())
    rows = [_row(figure, side, number, scale, side in ours) for number, side in enumerate(figure.sides)]
    title = escape(f"{figure.name}, {figure.unit}")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}"'
    style = 'font-family="system-ui, sans-serif" font-size="14"'
    frame = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    text = f'<text x="16" y="28" font-weight="600" fill="#0f172a">{title}</text>'
    return "\n".join([f"{head} {style}>", frame, text, *rows, "</svg>"]) + "\n"


def _row(figure: Figure, side: str, number: int, scale: float, ours: bool) -> str:
    values, middle = figure.sides[side], figure.median(side)
    top = TOP + ROW * number
    least, greatest, end = (LABELS + scale * value for value in (min(values), max(values), middle))
    label = f'<text x="{LABELS - 10}" y="{top + 19}" text-anchor="end" fill="#0f172a">{escape(side)}</text>'
    colour = OURS if ours else OTHERS
    bar = f'<rect x="{LABELS}" y="{top + 4}" width="{end - LABELS:.1f}" height="22" rx="2" fill="{colour}"/>'
    line = f'<path d="M{least:.1f} {top + 15}H{greatest:.1f}" stroke="#0f172a" stroke-width="2"/>'
    value = f'<text x="{max(end, greatest) + 8:.1f}" y="{top + 19}" fill="#0f172a">{number_text(middle)}</text>'
    return label + bar + line + value


def number_text(value: float) -> str:
    """Return a figure with three digits, and commas between thousands."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"
