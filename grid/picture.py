"""A network drawn with its state: lines coloured by loading, buses by voltage.

A picture is a list of plain strokes, dots and words, so that SVG and pixels come from the same description.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from grid.measurement import Limits

WIDTH, HEIGHT, MARGIN, HEADER = 1100, 1190, 50, 140
INK, MUTED, PAPER = "#1f2933", "#61707f", "#ffffff"
UNKNOWN = "#8795a1"
FONT = "system-ui, sans-serif"
SMOOTHING = 2
LEGEND_PARTS, LEGEND_WIDTH = 60, 420
STATE_KEYS = ("vm_pu", "line_loading_percent", "trafo_loading_percent")
# Loading: from calm blue over amber at 80 % to red at the limit. Voltage: blue low, grey middle, red high.
LOADING_STOPS = ((0.0, (120, 170, 200)), (0.5, (70, 130, 180)), (0.8, (240, 170, 40)), (1.0, (200, 40, 40)))
VOLTAGE_STOPS = ((0.0, (40, 90, 190)), (0.5, (190, 196, 202)), (1.0, (200, 40, 40)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A straight line; `title` is shown where a pointer rests."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str
    width: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A filled circle with a thin paper-coloured rim."""

    centre: tuple[float, float]
    radius: float
    colour: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Text that starts at `at`, its baseline's left end."""

    at: tuple[float, float]
    text: str
    size: float
    colour: str = INK


Shape = Stroke | Dot | Words


def picture(
    drawing: dict[str, Any], *, title: str, limits: Limits, state: dict[str, dict[str, float]] | None = None
) -> list[Shape]:
    """Shapes of a drawing (`grid.feeder.drawing`) in a state (`GridNetwork.state_by_id`), grey without one."""
    places = {bus["id"]: _place(bus["x"], bus["y"]) for bus in drawing["buses"]}
    vm_pu, lines, trafos = ((state or {}).get(name, {}) for name in STATE_KEYS)
    shapes: list[Shape] = [Words(at=(MARGIN, 48), text=title, size=26)]
    if state is not None:
        shapes += _legend(limits)
    for branches, ends, loading, width in (
        (drawing["lines"], ("from", "to"), lines, 4.0),
        (drawing["trafos"], ("hv", "lv"), trafos, 10.0),
    ):
        for branch in branches:
            percent = loading.get(str(branch["id"]))
            start, end = (places[branch[end]] for end in ends)
            said = branch["name"] if percent is None else f"{branch['name']}: {percent:.1f} %"
            colour = UNKNOWN if percent is None else loading_colour(percent, limits)
            shapes.append(Stroke(start=start, end=end, colour=colour, width=width, title=said))
    for bus in drawing["buses"]:
        volts = vm_pu.get(str(bus["id"]))
        said = bus["name"] if volts is None else f"{bus['name']}: {volts:.4f} p.u."
        colour = UNKNOWN if volts is None else voltage_colour(volts, limits)
        shapes.append(Dot(centre=places[bus["id"]], radius=7 if bus["vn_kv"] < 1 else 11, colour=colour, title=said))
    return shapes


def to_svg(shapes: Sequence[Shape]) -> str:
    """A stand-alone SVG document."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}" role="img">'
    body = "\n".join(_svg(shape) for shape in shapes)
    return f'{head}\n<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>\n{body}\n</svg>\n'


def write_png(shapes: Sequence[Shape], path: Path) -> None:
    """The same as pixels, drawn at twice the size and reduced, which smooths the edges."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * SMOOTHING, HEIGHT * SMOOTHING), PAPER)
    canvas = ImageDraw.Draw(image)
    for shape in shapes:
        match shape:
            case Stroke():
                ends = [(x * SMOOTHING, y * SMOOTHING) for x, y in (shape.start, shape.end)]
                canvas.line(ends, fill=shape.colour, width=round(shape.width * SMOOTHING))
            case Dot():
                centre = (shape.centre[0] * SMOOTHING, shape.centre[1] * SMOOTHING)
                radius = shape.radius * SMOOTHING
                canvas.circle(centre, radius, fill=shape.colour, outline=PAPER, width=SMOOTHING)
            case Words():
                font = ImageFont.load_default(size=shape.size * SMOOTHING)
                at = (shape.at[0] * SMOOTHING, shape.at[1] * SMOOTHING)
                canvas.text(at, shape.text, fill=shape.colour, font=font, anchor="ls")
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(path, format="PNG")


def loading_colour(percent: float, limits: Limits) -> str:
    """Colour of a loading; red at the limit and above."""
    return _blend(LOADING_STOPS, percent / limits.max_loading_percent)


def voltage_colour(vm_pu: float, limits: Limits) -> str:
    """Colour of a voltage within its band."""
    return _blend(VOLTAGE_STOPS, (vm_pu - limits.v_min_pu) / (limits.v_max_pu - limits.v_min_pu))


def _place(x: float, y: float) -> tuple[float, float]:
    return round(MARGIN + x, 1), round(HEADER + y, 1)


def _legend(limits: Limits) -> list[Shape]:
    """Two colour bars with their scale."""
    middle = (limits.v_min_pu + limits.v_max_pu) / 2
    scales = (
        (
            MARGIN,
            LOADING_STOPS,
            "Lines and transformers: loading",
            ("0 %", f"{limits.max_loading_percent:g} % and more"),
        ),
        (
            MARGIN + 520,
            VOLTAGE_STOPS,
            "Buses: voltage",
            (f"{limits.v_min_pu:g} p.u.", f"{middle:g}", f"{limits.v_max_pu:g}"),
        ),
    )
    shapes: list[Shape] = []
    for left, stops, name, marks in scales:
        shapes.append(Words(at=(left, 80), text=name, size=16))
        for part in range(LEGEND_PARTS):
            x = left + part * LEGEND_WIDTH / LEGEND_PARTS
            end = (x + LEGEND_WIDTH / LEGEND_PARTS, 94)
            shapes.append(Stroke(start=(x, 94), end=end, colour=_blend(stops, part / (LEGEND_PARTS - 1)), width=12))
        for at, mark in enumerate(marks):
            x = left + at * LEGEND_WIDTH / (len(marks) - 1) - (0 if at == 0 else 20)
            shapes.append(Words(at=(x, 118), text=mark, size=14, colour=MUTED))
    return shapes


def _blend(stops: Sequence[tuple[float, tuple[int, int, int]]], share: float) -> str:
    """The colour at a share of the scale, held at its ends."""
    held = min(max(share, stops[0][0]), stops[-1][0])
    after = next(at for at in range(1, len(stops)) if held <= stops[at][0])
    (low, dark), (high, bright) = stops[after - 1], stops[after]
    part = (held - low) / (high - low)
    mixed = (round(one + (other - one) * part) for one, other in zip(dark, bright, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _svg(shape: Shape) -> str:
    match shape:
        case Stroke():
            (x1, y1), (x2, y2) = shape.start, shape.end
            ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"'
            drawn = f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width:g}">'
            return f"{drawn}<title>{escape(shape.title)}</title></line>"
        case Dot():
            x, y = shape.centre
            drawn = f'<circle cx="{x:g}" cy="{y:g}" r="{shape.radius:g}" fill="{shape.colour}" stroke="{PAPER}">'
            return f"{drawn}<title>{escape(shape.title)}</title></circle>"
        case Words():
            x, y = shape.at
            text = escape(shape.text)
            return f'<text x="{x:g}" y="{y:g}" font-size="{shape.size:g}" fill="{shape.colour}">{text}</text>'
