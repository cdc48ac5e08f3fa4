"""Seconds against orders, both logarithmic, as an SVG that follows a light or dark surrounding and needs no legend.

A family of programs shares a hue, its members differ by dash and mark, and every line carries its name.
"""

import math
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 600
LEFT, RIGHT, TOP, BOTTOM = 190, 870, 56, 540
SECONDS = (1e-5, 1e3)
LABEL_GAP, NOTE_GAP = 18.0, 26.0
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    f'aria-labelledby="title desc" font-family="{FONT}">'
)

# Of each program its family, its dash and its mark.
LOOKS = {
    "numpy argsort": ("floor", "2 4", "circle"),
    "Commonwatt": ("own", "", "circle"),
    "HiGHS": ("highs", "", "square"),
    "Pyomo + HiGHS": ("highs", "7 4", "diamond"),
    "ASSUME simple": ("assume", "", "square"),
    "ASSUME complex": ("assume", "7 4", "diamond"),
    "pymarket huang": ("pymarket", "", "square"),
    "pymarket muda": ("pymarket", "7 4", "diamond"),
    "pymarket p2p": ("pymarket", "2 4", "circle"),
}
LIGHT = {"floor": "#4b5563", "own": "#0b5d4e", "highs": "#005a8f", "assume": "#9a3d00", "pymarket": "#99206a"}
DARK = {"floor": "#aab5c0", "own": "#5fd3b5", "highs": "#74bbee", "assume": "#ffab66", "pymarket": "#ff93c9"}
TICKS = {
    1e-5: "10 µs",
    1e-4: "100 µs",
    1e-3: "1 ms",
    1e-2: "10 ms",
    1e-1: "100 ms",
    1e0: "1 s",
    1e1: "10 s",
    1e2: "100 s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One program's points in the drawing, and why there are no more."""

    name: str
    points: tuple[tuple[float, float], ...]
    failure: str


def plot(figures: dict[str, Any]) -> str:
    """The whole SVG."""
    sizes = figures["sizes"]
    counts = [int(count) for count in sizes]
    lines = [line for name in next(iter(sizes.values())) if (line := _line(name, sizes)).points]
    limit_y = _y(figures["limit_s"])
    return "\n".join(
        [
            HEAD,
            '<title id="title">Seconds to clear a book, by number of orders</title>',
            f'<desc id="desc">{escape(_described(sizes))}</desc>',
            _style(),
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
            '<text class="head" x="24" y="32">Time to clear one book, by number of orders</text>',
            *_axes(counts),
            f'<path class="limit" d="M{LEFT} {limit_y:.1f}H{RIGHT}"/>',
            f'<text class="tick" x="{LEFT + 6}" y="{limit_y - 5:.1f}">stopped after {figures["limit_s"]} s</text>',
            *(_drawn(line) for line in lines),
            *_labels(lines),
            "</svg>",
            "",
        ]
    )


def _line(name: str, sizes: dict[str, Any]) -> Line:
    reached = [(count, cells[name]) for count, cells in sizes.items() if not cells[name]["failure"]]
    failures = [cells[name]["failure"] for cells in sizes.values() if cells[name]["failure"]]
    points = tuple((_x(int(count)), _y(cell["clear_s"])) for count, cell in reached)
    return Line(name=name, points=points, failure=failures[0] if failures else "")


def _x(count: float) -> float:
    return LEFT + (RIGHT - LEFT) * (math.log10(count) - 2.0) / 4.0


def _y(seconds: float) -> float:
    low, high = (math.log10(value) for value in SECONDS)
    return BOTTOM - (BOTTOM - TOP) * (math.log10(max(seconds, SECONDS[0])) - low) / (high - low)


def _described(sizes: dict[str, Any]) -> str:
    """The drawing in words, for those who do not see it."""
    said = []
    for name in next(iter(sizes.values())):
        reached = [(int(n), cells[name]["clear_s"]) for n, cells in sizes.items() if not cells[name]["failure"]]
        if reached:
            said.append(f"{name}: {reached[-1][1]:.2g} s at {reached[-1][0]} orders, the largest book it cleared")
    return "; ".join(said) + "."


def _style() -> str:
    def colours(of: dict[str, str], paper: str, ink: str, faint: str) -> str:
        families = "".join(f".{family}{{--c:{colour}}}" for family, colour in of.items())
        return f"svg{{--paper:{paper};--ink:{ink};--faint:{faint}}}{families}"

    return (
        "<style>"
        + colours(LIGHT, "#ffffff", "#12303f", "#d5dee3")
        + "@media (prefers-color-scheme: dark){"
        + colours(DARK, "#12202a", "#e4edf2", "#334855")
        + "}"
        ".paper{fill:var(--paper)}.grid{stroke:var(--faint);stroke-width:1}"
        ".limit{stroke:var(--ink);stroke-dasharray:1 3}"
        ".head{font-size:18px;font-weight:600;fill:var(--ink)}.tick{font-size:13px;fill:var(--ink)}"
        ".line{fill:none;stroke:var(--c);stroke-width:2}.own .line{stroke-width:4}.mark{fill:var(--c)}"
        ".name{font-size:13px;font-weight:600;fill:var(--c);stroke:var(--paper);stroke-width:4;paint-order:stroke}"
        ".note{font-size:12px;text-anchor:middle;fill:var(--ink);stroke:var(--paper);stroke-width:4;paint-order:stroke}"
        ".lead{stroke:var(--c);stroke-width:1;opacity:.6}"
        "</style>"
    )


def _axes(counts: list[int]) -> list[str]:
    drawn = []
    for seconds, text in TICKS.items():
        y = _y(seconds)
        drawn.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        drawn.append(f'<text class="tick" x="{RIGHT + 10}" y="{y + 4:.1f}">{text}</text>')
    for count in counts:
        x = _x(count)
        said = f"{count:,}".replace(",", " ")
        drawn.append(f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        drawn.append(f'<text class="tick" x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle">{said}</text>')
    middle = (LEFT + RIGHT) / 2
    drawn.append(f'<text class="tick" x="{middle}" y="{BOTTOM + 46}" text-anchor="middle">orders in the book</text>')
    return drawn


def _drawn(line: Line) -> str:
    family, dash, mark = LOOKS[line.name]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.points)
    marks = "".join(_mark(mark, x, y) for x, y in line.points)
    return f'<g class="{family}"><path class="line" stroke-dasharray="{dash or "none"}" d="{path}"/>{marks}</g>'


def _mark(mark: str, x: float, y: float) -> str:
    if mark == "circle":
        return f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if mark == "diamond" else ""
    return f'<rect class="mark" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"{turned}/>'


def _labels(lines: list[Line]) -> list[str]:
    """Each name beside the beginning of its line, moved apart; why a line ends, once where several end together."""
    drawn = []
    ordered = sorted(lines, key=lambda line: line.points[0][1])
    heights = _apart([line.points[0][1] for line in ordered])
    for line, height in zip(ordered, heights, strict=True):
        x, y = line.points[0]
        drawn.append(
            f'<g class="{LOOKS[line.name][0]}"><path class="lead" d="M{x - 8:.1f} {y:.1f}L{x - 28:.1f} {height:.1f}"/>'
            f'<text class="name" x="{x - 34:.1f}" y="{height + 4:.1f}" text-anchor="end">{escape(line.name)}</text></g>'
        )
    noted: list[tuple[float, float]] = []
    for line in ordered:
        x, y = line.points[-1]
        if line.failure and all(x != at or abs(y - height) > NOTE_GAP for at, height in noted):
            noted.append((x, y))
            drawn.append(f'<text class="note" x="{x:.1f}" y="{y - 11:.1f}">then {escape(line.failure)}</text>')
    return drawn


def _apart(heights: list[float]) -> list[float]:
    """Heights in order, moved down as far as needed to keep their distance, then all up by half of it."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + LABEL_GAP) if moved else height)
    most = max((new - old for new, old in zip(moved, heights, strict=True)), default=0.0)
    return [height - most / 2 for height in moved]
