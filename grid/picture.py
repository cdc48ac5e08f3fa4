"""A network drawn with its state, one panel or two side by side: branches by loading, buses by voltage.

Nothing rests on hue alone. Loading runs from pale to dark and from thin to thick, so that it survives a grey print;
what is past its limit is vermilion, cased in black and named. Voltage runs from purple (low) over white to orange
(high), which people who see no red or no green tell apart; a bus outside of its band has a thick black rim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grid.measurement import LOADING_TOLERANCE_PERCENT, LOW_VOLTAGE_BELOW_KV, VOLTAGE_TOLERANCE_PU, Limits
from grid.shapes import INK, MUTED, Dot, Picture, Shape, Stroke, Words

CANVAS = 1000.0
MARGIN, GAP, TITLE_HEIGHT, HEADING_HEIGHT, LEGEND_HEIGHT = 50.0, 70.0, 70.0, 80.0, 130.0
SINGLE_WIDTH, PAIRED_WIDTH = 1000.0, 720.0
UNKNOWN, PASSED = "#8795a1", "#d55e00"
LEGEND_PARTS, LEGEND_WIDTH = 60, 300.0
NAMED_AT_MOST = 3
State = Mapping[str, Mapping[str, float]]
Colour = tuple[int, int, int]
LOADING_STOPS: tuple[tuple[float, Colour], ...] = ((0.0, (203, 213, 220)), (0.5, (86, 160, 200)), (1.0, (8, 38, 84)))
VOLTAGE_STOPS: tuple[tuple[float, Colour], ...] = ((0.0, (94, 60, 153)), (0.5, (250, 250, 250)), (1.0, (230, 97, 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One state of the network and what to call it; `state` as `GridNetwork.state_by_id`, None draws a plan."""

    heading: str
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where one panel stands, and how thick its lines are."""

    left: float
    top: float
    scale: float
    unit: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        return round(self.left + x * self.scale, 1), round(self.top + y * self.scale, 1)


def picture(drawing: dict[str, Any], *, title: str, limits: Limits, panels: Sequence[Panel]) -> Picture:
    """One drawing (`grid.feeder.drawing`) in one or more states, with a legend if there is any state."""
    width = SINGLE_WIDTH if len(panels) == 1 else PAIRED_WIDTH
    scale = width / CANVAS
    deep = max(float(bus["y"]) for bus in drawing["buses"]) * scale
    unit = min(max(90.0 / len(drawing["buses"]) ** 0.5, 3.0), 8.0) * scale**0.5
    top = TITLE_HEIGHT + (HEADING_HEIGHT if any(panel.heading for panel in panels) else 20.0) + 20.0
    shapes: list[Shape] = [Words(at=(MARGIN, 48), text=title, size=26)]
    for number, panel in enumerate(panels):
        left = MARGIN + number * (width + GAP)
        shapes += _heading(drawing, panel, limits, left)
        shapes += _panel(drawing, panel.state or {}, limits, _Frame(left=left, top=top, scale=scale, unit=unit))
    bottom = top + deep + 40.0
    total = 2 * MARGIN + len(panels) * width + (len(panels) - 1) * GAP
    if any(panel.state is not None for panel in panels):
        shapes += _legend(limits, bottom + 20.0)
        bottom += LEGEND_HEIGHT
    return Picture(width=round(total), height=round(bottom), shapes=shapes)


def loading_colour(percent: float, limits: Limits) -> str:
    """Pale to dark up to the limit, vermilion past it."""
    return PASSED if _is_overloaded(percent, limits) else _blend(LOADING_STOPS, percent / limits.max_loading_percent)


def voltage_colour(vm_pu: float, limits: Limits) -> str:
    """Purple at the lower end of the band, orange at the upper."""
    return _blend(VOLTAGE_STOPS, (vm_pu - limits.v_min_pu) / (limits.v_max_pu - limits.v_min_pu))


def _is_overloaded(percent: float, limits: Limits) -> bool:
    return percent > limits.max_loading_percent + LOADING_TOLERANCE_PERCENT


def _is_outside(vm_pu: float, vn_kv: float, limits: Limits) -> bool:
    too_low, too_high = vm_pu < limits.v_min_pu - VOLTAGE_TOLERANCE_PU, vm_pu > limits.v_max_pu + VOLTAGE_TOLERANCE_PU
    return vn_kv < LOW_VOLTAGE_BELOW_KV and (too_low or too_high)


def _heading(drawing: dict[str, Any], panel: Panel, limits: Limits, left: float) -> list[Shape]:
    """What the panel is, and in one line what it shows."""
    shapes: list[Shape] = [Words(at=(left, TITLE_HEIGHT + 32), text=panel.heading, size=22)]
    if panel.state is None:
        return shapes
    loadings = [*panel.state["line_loading_percent"].values(), *panel.state["trafo_loading_percent"].values()]
    volts = {bus["name"]: panel.state["vm_pu"].get(str(bus["id"])) for bus in drawing["buses"] if bus["vn_kv"] < 1}
    known = [vm_pu for vm_pu in volts.values() if vm_pu is not None]
    passed = sum(_is_overloaded(percent, limits) for percent in loadings)
    passed += sum(_is_outside(vm_pu, 0.0, limits) for vm_pu in known)
    said = f"highest loading {max(loadings, default=0.0):.0f} %"
    if known:
        said += f"; voltages {min(known):.3f} to {max(known):.3f} p.u."
    said += f"; {passed} limit{'s' * (passed > 1)} passed" if passed else "; all limits kept"
    return [*shapes, Words(at=(left, TITLE_HEIGHT + 60), text=said, size=16, colour=MUTED)]


def _panel(drawing: dict[str, Any], state: State, limits: Limits, frame: _Frame) -> list[Shape]:
    places = {bus["id"]: frame.place(bus["x"], bus["y"]) for bus in drawing["buses"]}
    shapes: list[Shape] = []
    worst: list[tuple[float, tuple[float, float], str]] = []
    for kind, ends, thick in (("line", ("from", "to"), 0.7), ("trafo", ("hv", "lv"), 1.2)):
        loading = state.get(f"{kind}_loading_percent", {})
        for branch in drawing[f"{kind}s"]:
            percent = loading.get(str(branch["id"]))
            start, end = places[branch[ends[0]]], places[branch[ends[1]]]
            shapes += _branch(start, end, _said(branch, percent, ".1f", "%"), percent, limits, frame.unit * thick)
            if percent is not None and _is_overloaded(percent, limits):
                middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
                worst.append((percent / limits.max_loading_percent, middle, f"{branch['name']} {percent:.0f} %"))
    for bus in drawing["buses"]:
        vm_pu = state.get("vm_pu", {}).get(str(bus["id"]))
        outside = vm_pu is not None and _is_outside(vm_pu, bus["vn_kv"], limits)
        shapes.append(
            Dot(
                centre=places[bus["id"]],
                radius=frame.unit * (1.0 if bus["vn_kv"] < LOW_VOLTAGE_BELOW_KV else 1.6) * (1.25 if outside else 1.0),
                colour=UNKNOWN if vm_pu is None else voltage_colour(vm_pu, limits),
                title=_said(bus, vm_pu, ".4f", "p.u."),
                rim=INK,
                rim_width=max(frame.unit * 0.45, 1.5) if outside else max(frame.unit * 0.12, 0.5),
            )
        )
        if vm_pu is not None and outside:
            worst.append((1.0 + abs(vm_pu - 1.0), places[bus["id"]], f"{bus['name']} {vm_pu:.3f} p.u."))
    return shapes + _names(worst, frame)


def _branch(
    start: tuple[float, float],
    end: tuple[float, float],
    said: str,
    percent: float | None,
    limits: Limits,
    width: float,
) -> list[Shape]:
    if percent is None:
        return [Stroke(start=start, end=end, colour=UNKNOWN, width=width, title=said)]
    thick = width * (0.6 + min(percent / limits.max_loading_percent, 1.0))
    shapes: list[Shape] = []
    if _is_overloaded(percent, limits):
        shapes.append(Stroke(start=start, end=end, colour=INK, width=thick + 3.0, title=said))
    return [*shapes, Stroke(start=start, end=end, colour=loading_colour(percent, limits), width=thick, title=said)]


def _names(worst: list[tuple[float, tuple[float, float], str]], frame: _Frame) -> list[Shape]:
    """The worst few by name, each beside its place unless another name is there already."""
    shapes: list[Shape] = []
    taken: list[tuple[float, float]] = []
    for _, (x, y), text in sorted(worst, reverse=True):
        left_half = x < frame.left + CANVAS * frame.scale * 0.6
        at = (x + 14.0 if left_half else x - 14.0 - 8.4 * len(text), y + 5.0)
        if len(taken) < NAMED_AT_MOST and all(abs(at[1] - y2) > 70 or abs(at[0] - x2) > 260 for x2, y2 in taken):
            taken.append(at)
            shapes.append(Words(at=at, text=text, size=15, halo=3.0))
    return shapes


def _said(element: dict[str, Any], value: float | None, form: str, unit: str) -> str:
    return str(element["name"]) if value is None else f"{element['name']}: {value:{form}} {unit}"


def _legend(limits: Limits, top: float) -> list[Shape]:
    """Two scales, each with a sample of what is past it."""
    middle = (limits.v_min_pu + limits.v_max_pu) / 2
    highest = limits.max_loading_percent
    scales = (
        ("Lines and transformers: loading", LOADING_STOPS, ("0 %", f"{highest / 2:g} %", f"{highest:g} %")),
        (
            "Buses: voltage, p.u.",
            VOLTAGE_STOPS,
            (f"{limits.v_min_pu:g} low", f"{middle:g}", f"{limits.v_max_pu:g} high"),
        ),
    )
    shapes: list[Shape] = []
    for number, (name, stops, marks) in enumerate(scales):
        left = MARGIN + number * 520.0
        shapes.append(Words(at=(left, top), text=name, size=16))
        for part in range(LEGEND_PARTS):
            share = part / (LEGEND_PARTS - 1)
            start = (round(left + part * LEGEND_WIDTH / LEGEND_PARTS, 1), top + 22.0)
            end = (round(left + (part + 1) * LEGEND_WIDTH / LEGEND_PARTS, 1), top + 22.0)
            thick = 14.0 if number else 5.0 + 11.0 * share
            shapes.append(Stroke(start=start, end=end, colour=_blend(stops, share), width=thick))
        for at, mark in enumerate(marks):
            x = left + at * (LEGEND_WIDTH - 30.0) / 2
            shapes.append(Words(at=(x, top + 52.0), text=mark, size=14, colour=MUTED))
    past = MARGIN + LEGEND_WIDTH + 30.0
    for colour, width in ((INK, 15.0), (PASSED, 11.0)):
        shapes.append(Stroke(start=(past, top + 22.0), end=(past + 40.0, top + 22.0), colour=colour, width=width))
    shapes.append(Words(at=(past, top + 52.0), text="past its limit", size=14, colour=MUTED))
    ring = Dot(centre=(past + 580.0, top + 22.0), radius=9, colour="#fafafa", rim=INK, rim_width=4)
    return [*shapes, ring, Words(at=(past + 545.0, top + 52.0), text="outside its band", size=14, colour=MUTED)]


def _blend(stops: Sequence[tuple[float, Colour]], share: float) -> str:
    """The colour at a share of the scale, held at its ends."""
    held = min(max(share, stops[0][0]), stops[-1][0])
    after = next(at for at in range(1, len(stops)) if held <= stops[at][0])
    (low, dark), (high, bright) = stops[after - 1], stops[after]
    part = (held - low) / (high - low)
    mixed = (round(one + (other - one) * part) for one, other in zip(dark, bright, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
