"""The check's own view of feeders, beside the engine's, on networks with switches, rings and two transformers."""

from collections.abc import Callable

import numpy as np
import pandapower
import pytest
from pandapower.auxiliary import pandapowerNet

from grid.network import GridNetwork, load_network
from matching.recheck.power_flow import RecordedNetwork


def street() -> pandapowerNet:
    """Two transformers, each with a busbar; two feeders at the first, a ring open in the middle; a tie between them."""
    net = pandapower.create_empty_network()
    above = pandapower.create_bus(net, vn_kv=20.0, name="above")
    names = ("west", "a1", "a2", "b1", "b2", "east", "c1", "west too")
    bus = {name: pandapower.create_bus(net, vn_kv=0.4, name=name) for name in names}
    pandapower.create_ext_grid(net, above)
    for busbar in ("west", "east"):
        pandapower.create_transformer(net, above, bus[busbar], std_type="0.4 MVA 20/0.4 kV")
    for start, end in (("west", "a1"), ("a1", "a2"), ("west too", "b1"), ("b1", "b2"), ("a2", "b2"), ("east", "c1")):
        pandapower.create_line(net, bus[start], bus[end], 0.1, std_type="NAYY 4x50 SE", name=f"{start}-{end}")
    pandapower.create_switch(net, bus["west"], bus["west too"], et="b", closed=True)
    pandapower.create_switch(net, bus["b2"], 4, et="l", closed=False)
    pandapower.create_switch(net, bus["b2"], bus["c1"], et="b", closed=False)
    return net


def as_it_is(net: pandapowerNet) -> None:
    """Nothing changed."""


def with_the_ring_closed(net: pandapowerNet) -> None:
    net.switch.loc[1, "closed"] = True


def with_the_tie_closed(net: pandapowerNet) -> None:
    net.switch.loc[2, "closed"] = True


def with_a_line_out_of_service(net: pandapowerNet) -> None:
    net.switch.loc[1, "closed"] = True
    net.line.loc[1, "in_service"] = False


def with_a_transformer_switched_off(net: pandapowerNet) -> None:
    """Its busbar is then a bus of the other transformer's feeder, supplied through the tie."""
    net.switch.loc[2, "closed"] = True
    pandapower.create_switch(net, int(net.trafo.lv_bus.at[1]), 1, et="t", closed=False)


FEEDERS: dict[Callable[[pandapowerNet], None], dict[str, str]] = {
    as_it_is: {"a1": "a1", "a2": "a1", "b1": "b1", "b2": "b1", "c1": "c1", "east": ""},
    with_the_ring_closed: {"a1": "a1", "a2": "a1", "b1": "a1", "b2": "a1", "c1": "c1", "east": ""},
    with_the_tie_closed: {"a1": "a1", "a2": "a1", "b1": "b1", "b2": "b1", "c1": "b1", "east": ""},
    with_a_line_out_of_service: {"a1": "a1", "a2": "a2", "b1": "a2", "b2": "a2", "c1": "c1", "east": ""},
    with_a_transformer_switched_off: {"a1": "a1", "a2": "a1", "b1": "b1", "b2": "b1", "c1": "b1", "east": "b1"},
}


@pytest.mark.parametrize("change", FEEDERS)
def test_both_views_of_feeders_are_what_is_seen_in_the_drawing(change: Callable[[pandapowerNet], None]) -> None:
    net = street()
    change(net)
    seen = {"above": "", "west": "", "west too": "", **FEEDERS[change]}
    network, recorded = GridNetwork(net), RecordedNetwork(net)
    buses = np.array(recorded.buses)
    names = [net.bus.name.at[bus] for bus in recorded.buses]
    for view in (network.feeders(buses), recorded.feeders(buses)):
        assert dict(zip(names, [name.decode() for name in view.tolist()], strict=True)) == seen


def test_both_views_agree_on_a_whole_village() -> None:
    net = load_network("simbench:1-LV-rural3--2-sw")
    network, recorded = GridNetwork(net), RecordedNetwork(net)
    assert tuple(recorded.buses) == tuple(network.buses)
    buses = np.array(recorded.buses)
    assert recorded.feeders(buses).tolist() == network.feeders(buses).tolist()
