"""The fast power flow against power-grid-model, the calculation core of Dutch grid operators.

Its transformers are pi sections, pandapower's tees: without magnetising current both are one, and must agree.
"""

import numpy as np
import pandapower
import pytest
from grid_cases import household_mix

from grid.extraction import without_injections
from grid.network import GridNetwork, load_network

pytestmark = pytest.mark.needs("module:power_grid_model")

NETWORKS = (
    "simbench:1-LV-rural3--2-sw",
    "simbench:1-LV-urban6--0-sw",
    "pandapower:cigre_lv",
    "pandapower:cigre_mv",
    "pandapower:kerber_dorfnetz",
    "pandapower:kerber_vorstadtnetz_kabel_1",
    "pandapower:kerber_extrem_landnetz_freileitung_trafo",
    "pandapower:ieee_european_lv",
)


def voltages(net, buses, watts, vars_) -> np.ndarray:
    """[n_bus] p.u. by power-grid-model. Its source needs a short-circuit power: one that drops no voltage."""
    import power_grid_model
    from power_grid_model_io.converters import PandaPowerConverter

    given = without_injections(net)
    pandapower.create_loads(given, buses, p_mw=-watts / 1e6, q_mvar=-vars_ / 1e6)
    given.trafo = given.trafo.drop(columns="vector_group", errors="ignore")  # the converter wants all or none
    given.ext_grid[["s_sc_max_mva", "rx_max"]] = 1e9, 0.1
    data, origin = PandaPowerConverter().load_input_data(given)
    data["source"]["sk"] = 1e17
    model = power_grid_model.PowerGridModel(data, system_frequency=net.f_hz)
    nodes = model.calculate_power_flow(error_tolerance=1e-10, max_iterations=50)["node"]
    found = {
        origin[int(node)]["id_reference"]["index"]: vm for node, vm in zip(nodes["id"], nodes["u_pu"], strict=True)
    }
    return np.array([found[bus] for bus in buses])


@pytest.mark.parametrize("loading", [0.1, 0.6])
@pytest.mark.parametrize("spec", NETWORKS)
def test_voltages_are_those_of_power_grid_model(spec, loading) -> None:
    net = load_network(spec)
    net.trafo[["pfe_kw", "i0_percent"]] = 0.0
    grid = GridNetwork(net)
    load_w = 2 * loading * 1e6 * net.trafo.sn_mva.sum() / len(grid.buses)
    watts, vars_ = household_mix(len(grid.buses), seed=11, load_w=load_w, solar_w=3 * load_w)
    ours = grid.solve(watts, vars_).vm_pu
    assert np.ptp(ours) > 1e-3
    assert np.abs(voltages(net, grid.buses, watts, vars_) - ours).max() < 1e-8
