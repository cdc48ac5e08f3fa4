"""Small networks made here, and SimBench ones as the program opens them."""

import pandapower
import pytest
from grid_cases import LIMIT_KA, R_OHM, X_OHM

from grid.network import GridNetwork, open_network


@pytest.fixture
def two_bus_net():
    """An external grid at 1 p.u., 0.4 kV, and one line of 100 m without capacitance."""
    net = pandapower.create_empty_network()
    start, end = (pandapower.create_bus(net, vn_kv=0.4, name=name) for name in ("station", "house"))
    pandapower.create_ext_grid(net, start, vm_pu=1.0)
    pandapower.create_line_from_parameters(
        net, start, end, 0.1, r_ohm_per_km=10 * R_OHM, x_ohm_per_km=10 * X_OHM, c_nf_per_km=0.0, max_i_ka=LIMIT_KA
    )
    return net


@pytest.fixture
def village_net():
    """A transformer, a ring of three lines opened by a switch, a busbar coupler, and elements out of service."""
    net = pandapower.create_empty_network()
    above = pandapower.create_bus(net, vn_kv=20.0, name="above")
    names = ("busbar", "coupled", "oak street", "elm street", "end")
    busbar, coupled, oak, elm, end = (pandapower.create_bus(net, vn_kv=0.4, name=name) for name in names)
    pandapower.create_bus(net, vn_kv=0.4, name="abandoned", in_service=False)
    pandapower.create_ext_grid(net, above, vm_pu=1.02)
    pandapower.create_transformer(net, above, busbar, "0.25 MVA 20/0.4 kV", tap_pos=-1)
    pandapower.create_switch(net, busbar, coupled, et="b")
    lines = [
        pandapower.create_line(net, *ends, length_km=length, std_type="NAYY 4x150 SE", name=f"cable {number}")
        for number, (*ends, length) in enumerate(
            [(busbar, oak, 0.2), (coupled, elm, 0.3), (oak, elm, 0.1), (oak, end, 0.4)]
        )
    ]
    pandapower.create_line(net, elm, end, length_km=0.1, std_type="NAYY 4x50 SE", in_service=False, name="dug up")
    pandapower.create_switch(net, elm, lines[2], et="l", closed=False)
    return net


@pytest.fixture(scope="session")
def rural3() -> GridNetwork:
    """SimBench's largest rural low-voltage network: 129 buses, 127 lines, one transformer of 400 kVA."""
    return open_network("simbench:1-LV-rural3--2-sw")
