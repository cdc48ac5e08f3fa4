"""Which feeder a bus is on, read from the tables of the recorded network.

A feeder is what lines connect when the busbars are taken away: the buses on the lower side of every transformer and
those of an external grid, with what closed switches join to them. It is called like its bus with the lowest index;
a busbar is on no feeder.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet


def feeder_of_bus(net: "pandapowerNet", buses: Sequence[int], names: Mapping[int, str]) -> dict[int, str]:
    """The feeder of each of these supplied buses; empty for busbars."""
    closed, open_ = net.switch[net.switch.closed.astype(bool)], net.switch[~net.switch.closed.astype(bool)]
    joining = closed[(closed.et == "b") & ~(closed.z_ohm > 0.0)]
    point = _lowest_joined(buses, zip(joining.bus.tolist(), joining.element.tolist(), strict=True))
    lines, trafos = (
        net[table][net[table].in_service.astype(bool) & ~net[table].index.isin(open_[open_.et == kind].element)]
        for table, kind in (("line", "l"), ("trafo", "t"))
    )
    sources = net.ext_grid[net.ext_grid.in_service.astype(bool)]
    busbars = {point.get(bus) for bus in (*trafos.lv_bus.tolist(), *sources.bus.tolist())}
    ends = zip(lines.from_bus.map(point.get).tolist(), lines.to_bus.map(point.get).tolist(), strict=True)
    first = _lowest_joined(set(point.values()) - busbars, ends)
    return {bus: names[first[point[bus]]] if point[bus] in first else "" for bus in buses}


def _lowest_joined(nodes: Iterable[int], edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """For each node the lowest one that edges between these nodes join it to."""
    towards = {node: node for node in nodes}

    def lowest(node: int) -> int:
        while towards[node] != node:
            node = towards[node]
        return node

    for start, end in edges:
        if start in towards and end in towards:
            one, other = sorted((lowest(start), lowest(end)))
            towards[other] = one
    return {node: lowest(node) for node in towards}
