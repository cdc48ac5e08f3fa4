"""The fast power flow against EPRI's OpenDSS: voltages within 1e-4 p.u., line currents within 0.1 %."""

import numpy as np
import pytest
from grid_cases import household_mix

from grid.network import GridNetwork, load_network

pytestmark = pytest.mark.needs("module:opendssdirect")

# The highest load and solar of a bus, in W.
NETWORKS = {
    "simbench:1-LV-rural3--2-sw": (3e3, 15e3),
    "pandapower:cigre_lv": (12e3, 20e3),
    "pandapower:cigre_mv": (2e6, 3e6),
    "pandapower:kerber_dorfnetz": (3e3, 15e3),
    "pandapower:kerber_landnetz_freileitung_1": (8e3, 20e3),
    "pandapower:ieee_european_lv": (400.0, 2e3),
}
SMALLEST_CURRENT_A = 0.01


@pytest.mark.parametrize("scale", [0.2, 1.0])
@pytest.mark.parametrize("spec", NETWORKS)
def test_voltages_and_currents_are_those_of_opendss(spec, scale) -> None:
    from opendss_feeder import OpenDssFeeder

    net = without_open_lines(load_network(spec))
    grid = GridNetwork(net)
    load_w, solar_w = NETWORKS[spec]
    watts, vars_ = household_mix(len(grid.buses), seed=3, load_w=scale * load_w, solar_w=scale * solar_w)
    point = grid.solve(watts, vars_)
    other = OpenDssFeeder(net)
    other.solve(dict(zip(grid.buses, watts, strict=True)), dict(zip(grid.buses, vars_, strict=True)))
    vm_pu = np.array([other.vm_pu(bus) for bus in grid.buses])
    assert np.abs(vm_pu - point.vm_pu[:, None]).max() < 1e-4
    rated_a = 1e3 * (net.line.max_i_ka * net.line.df * net.line.parallel).to_numpy()
    amperes = point.line_loading_percent / 100 * rated_a
    seen = np.array([other.line_current_a(line).max() if on else 0.0 for line, on in net.line.in_service.items()])
    assert (np.abs(seen - amperes) < 1e-3 * amperes + SMALLEST_CURRENT_A).all()
    assert amperes.max() > 5.0


def without_open_lines(net):
    """The same network with every line that a switch leaves open at one end out of service."""
    lines = net.switch[(net.switch.et == "l") & ~net.switch.closed]
    net.line.loc[lines.element.unique(), "in_service"] = False
    net.switch = net.switch[net.switch.closed]
    return net
