"""What a network's buses are called, and how to draw it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.layout import above_their_partner, fit_to_canvas, tree_layout
from grid.limits import FloatArray

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet


class NetworkError(Exception):
    """A network that cannot be used. Each error names the element and the remedy; the first is the message."""

    def __init__(self, *errors: str) -> None:
        self.errors = errors
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{self.errors[0]}{more}")


def bus_names(net: "pandapowerNet") -> dict[int, str]:
    """Names by bus index; a bus without a name is called by its index."""
    return {int(bus): name if isinstance(name, str) and name else str(bus) for bus, name in net.bus.name.items()}


def bus_index(net: "pandapowerNet", text: str) -> int:
    """The bus a person means: all digits is an index, anything else a unique name. Raises NetworkError."""
    return BusDirectory(bus_names(net)).find(text)


INDEX_DIGITS_MAX = 18


class BusDirectory:
    """Finds buses by what people write; built once for many look-ups."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._by_name: dict[str, list[int]] = {}
        for bus, name in names.items():
            self._by_name.setdefault(name, []).append(bus)

    def find(self, text: str) -> int:
        """As `bus_index`."""
        wanted = text.strip()
        if wanted.isdecimal():
            if len(wanted) > INDEX_DIGITS_MAX or int(wanted) not in self._names:
                span = f"its buses run from {min(self._names)} to {max(self._names)}"
                raise NetworkError(f"the network has no bus {wanted[:INDEX_DIGITS_MAX]}: {span}")
            return int(wanted)
        found = self._by_name.get(wanted, [])
        if not found:
            raise NetworkError(f"the network has no bus named {wanted!r}: give a name or an index of its bus table")
        if len(found) > 1:
            raise NetworkError(f"{len(found)} buses are named {wanted!r}: give the index, one of {found[:5]}")
        return found[0]


def drawing(net: "pandapowerNet") -> dict[str, Any]:
    """The network as a picture: buses, lines and transformers in service.

    `{"buses": [{"id", "name", "x", "y", "vn_kv"}], "lines": [{"id", "name", "from", "to"}], "trafos": [{"id", "name",
    "hv", "lv"}]}`. x grows to the right and y downwards, both within 0..1000, ready for SVG. The positions are those of
    the bus table where it has one for every bus, otherwise a tree that grows from the external grid. A bus that has
    nothing but transformers is put above its lower winding: what tables give for it often hides another bus.
    """
    buses = [int(bus) for bus in sorted(net.bus.index[net.bus.in_service.astype(bool)])]
    shown = set(buses)
    lines = _branches(net, "line", "from_bus", "to_bus", shown)
    trafos = _branches(net, "trafo", "hv_bus", "lv_bus", shown)
    places = _stored_places(net, buses)
    if places is None:
        edges = [(start, end) for _, _, start, end in (*lines, *trafos)] + _closed_bus_switches(net, shown)
        roots = [int(bus) for bus in net.ext_grid.bus[net.ext_grid.in_service.astype(bool)]]
        places = tree_layout(buses, edges, roots)
    else:
        at = {bus: position for position, bus in enumerate(buses)}
        with_lines = {bus for _, _, *ends in lines for bus in ends}
        pairs = [(at[hv], at[lv]) for _, _, hv, lv in trafos if hv not in with_lines]
        places = above_their_partner(places, pairs)
    names = bus_names(net)
    return {
        "buses": [
            {"id": bus, "name": names[bus], "x": x, "y": y, "vn_kv": float(net.bus.vn_kv.at[bus])}
            for bus, (x, y) in zip(buses, fit_to_canvas(places).tolist(), strict=True)
        ],
        "lines": [{"id": index, "name": name, "from": start, "to": end} for index, name, start, end in lines],
        "trafos": [{"id": index, "name": name, "hv": start, "lv": end} for index, name, start, end in trafos],
    }


def element_name(table: str, index: int, name: object) -> str:
    """The name given in the network, or table and index."""
    return name if isinstance(name, str) and name else f"{table} {index}"


def _branches(
    net: "pandapowerNet", table: str, start: str, end: str, buses: set[int]
) -> list[tuple[int, str, int, int]]:
    rows = net[table][net[table].in_service.astype(bool)]
    found = zip(rows.index, rows.name, rows[start], rows[end], strict=True)
    return [
        (int(index), element_name(table, index, name), int(one), int(other))
        for index, name, one, other in found
        if int(one) in buses and int(other) in buses
    ]


def _closed_bus_switches(net: "pandapowerNet", buses: set[int]) -> list[tuple[int, int]]:
    rows = net.switch[(net.switch.et == "b") & net.switch.closed.astype(bool)]
    pairs = ((int(one), int(other)) for one, other in zip(rows.bus, rows.element, strict=True))
    return [(one, other) for one, other in pairs if one in buses and other in buses]


def _stored_places(net: "pandapowerNet", buses: list[int]) -> FloatArray | None:
    """[n_bus, 2] with y downwards, from `bus.geo` or the older table `bus_geodata`; None unless every bus has one."""
    if "geo" in net.bus and net.bus.geo.loc[buses].map(lambda text: isinstance(text, str)).all():
        points = [json.loads(text)["coordinates"][:2] for text in net.bus.geo.loc[buses]]
    elif "bus_geodata" in net and set(buses) <= set(net.bus_geodata.index):
        points = net.bus_geodata.loc[buses, ["x", "y"]].to_numpy().tolist()
    else:
        return None
    places = np.asarray(points, dtype=np.float64)
    return places * (1.0, -1.0) if np.isfinite(places).all() else None
