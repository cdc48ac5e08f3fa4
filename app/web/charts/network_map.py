"""The network as a map: lines coloured by loading, buses by voltage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAP_WIDTH = 1000
MARGIN = 40
# Upper bounds in percent of the classes load-0 .. load-3; above is load-4.
LOADING_CLASSES = (40.0, 60.0, 80.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLine:
    """A line between two points; `loading_percent` None where the round has no state."""

    name: str
    x1: float
    y1: float
    x2: float
    y2: float
    css_class: str
    loading_percent: float | None
    limiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MapBus:
    """A bus with its voltage in per unit of nominal."""

    name: str
    x: float
    y: float
    css_class: str
    vm_pu: float | None
    limiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTrafo:
    """A transformer, drawn at its low-voltage bus."""

    name: str
    x: float
    y: float
    css_class: str
    loading_percent: float | None
    limiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMap:
    """Elements in a box of `width` x `height`, y down."""

    width: int
    height: int
    lines: tuple[MapLine, ...]
    buses: tuple[MapBus, ...]
    trafos: tuple[MapTrafo, ...]


def loading_class(percent: float | None) -> str:
    """CSS class of a loading."""
    if percent is None:
        return "unknown"
    return f"load-{sum(percent > bound for bound in LOADING_CLASSES)}"


def voltage_class(vm_pu: float | None, *, v_min_pu: float = 0.9, v_max_pu: float = 1.1) -> str:
    """CSS class of a voltage: within a third of the band around nominal is "mid", outside the band is "-1"."""
    if vm_pu is None:
        return "unknown"
    if vm_pu >= 1:
        share = (vm_pu - 1) / (v_max_pu - 1)
        return "volt-mid" if share < 0.4 else "volt-high-0" if share < 0.9 else "volt-high-1"
    share = (1 - vm_pu) / (1 - v_min_pu)
    return "volt-mid" if share < 0.4 else "volt-low-0" if share < 0.9 else "volt-low-1"


def network_map(
    drawing: Mapping[str, Sequence[Mapping[str, Any]]],
    state: Mapping[str, Mapping[str, float]],
    *,
    limiting: frozenset[tuple[str, int]] = frozenset(),
) -> NetworkMap | None:
    """Place a drawing (`grid.feeder.drawing`) with the state of one round.

    `limiting` holds ("line" | "trafo" | "bus", id) of elements whose limit bound. None when there is nothing to draw.
    """
    places = _places(drawing["buses"])
    if len(places) < 2:
        return None
    height = round(max(y for _, y in places.values()) + MARGIN)
    lines = _lines(drawing["lines"], places, state.get("line_loading_percent", {}), limiting)
    voltage, trafo_loading = state.get("vm_pu", {}), state.get("trafo_loading_percent", {})
    buses = [
        MapBus(
            name=bus["name"],
            x=places[bus["id"]][0],
            y=places[bus["id"]][1],
            css_class=voltage_class(voltage.get(str(bus["id"]))),
            vm_pu=voltage.get(str(bus["id"])),
            limiting=("bus", bus["id"]) in limiting,
        )
        for bus in drawing["buses"]
        if bus["vn_kv"] < 1
    ]
    trafos = [
        MapTrafo(
            name=trafo["name"],
            x=places[trafo["lv"]][0],
            y=places[trafo["lv"]][1],
            css_class=loading_class(trafo_loading.get(str(trafo["id"]))),
            loading_percent=trafo_loading.get(str(trafo["id"])),
            limiting=("trafo", trafo["id"]) in limiting,
        )
        for trafo in drawing["trafos"]
    ]
    return NetworkMap(width=MAP_WIDTH, height=height, lines=lines, buses=tuple(buses), trafos=tuple(trafos))


def _lines(
    rows: Sequence[Mapping[str, Any]],
    places: Mapping[int, tuple[float, float]],
    loading: Mapping[str, float],
    limiting: frozenset[tuple[str, int]],
) -> tuple[MapLine, ...]:
    lines = []
    for line in rows:
        (x1, y1), (x2, y2) = places[line["from"]], places[line["to"]]
        percent = loading.get(str(line["id"]))
        lines.append(
            MapLine(
                name=line["name"],
                x1=x1,
                y1=y1,
                x2=x2,
                y2=y2,
                css_class=loading_class(percent),
                loading_percent=percent,
                limiting=("line", line["id"]) in limiting,
            )
        )
    return tuple(lines)


def _places(buses: Sequence[Mapping[str, Any]]) -> dict[int, tuple[float, float]]:
    """Bus id -> position in the box; the drawing comes in 0..1000, y down."""
    scale = (MAP_WIDTH - 2 * MARGIN) / MAP_WIDTH
    return {bus["id"]: (round(MARGIN + bus["x"] * scale, 1), round(MARGIN + bus["y"] * scale, 1)) for bus in buses}
