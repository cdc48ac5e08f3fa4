"""Which feeder a bus is on, beside pandapower's own search of the graph."""

import networkx as nx
import pandapower.topology

from grid.network import GridNetwork, load_network


def test_feeders_are_what_hangs_together_without_the_transformer_s_busbar() -> None:
    net = load_network("simbench:1-LV-rural3--2-sw")
    network = GridNetwork(net)
    found: dict[bytes, set[int]] = {}
    for bus, name in zip(network.buses, network.feeders(network.arrays.bus_ids).tolist(), strict=True):
        found.setdefault(name, set()).add(bus)
    busbars = {*net.trafo.lv_bus.tolist(), *net.ext_grid.bus.tolist()}
    graph = pandapower.topology.create_nxgraph(net, include_trafos=False, nogobuses=busbars)
    expected = [set(part) - busbars for part in nx.connected_components(graph)]
    assert found.pop(b"") == busbars
    assert sorted(map(sorted, found.values())) == sorted(sorted(part) for part in expected if part)
    assert len(found) == 9  # lines that leave the busbar
