"""The fast power flow against pandapower's, on real networks and on the awkward parts of small ones."""

import copy

import numpy as np
import pandapower
import pandapower.networks
import pytest
from grid_cases import household_mix
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pandapower.auxiliary import pandapowerNet

from grid.catalogue import LIBRARY
from grid.network import GridNetwork, load_network, open_network
from grid.power_flow import PowerFlowDiverged

SIMBENCH = {
    "1-LV-rural1--2-no_sw": (20e3, 30e3),
    "1-LV-rural3--2-sw": (2e3, 12e3),
    "1-LV-semiurb4--1-no_sw": (5e3, 30e3),
    "1-LV-urban6--0-sw": (5e3, 30e3),
}
LOADINGS = (0.05, 0.3, 1.0)


def pandapower_state(
    net: pandapowerNet, buses: tuple[int, ...], *, watts: np.ndarray, vars_: np.ndarray
) -> pandapowerNet:
    """The network solved by pandapower with these injections alone, to 1e-11 MVA (its default stops at 1e-8)."""
    solved = copy.deepcopy(net)
    for table in ("load", "sgen", "storage", "asymmetric_load"):
        solved[table].drop(solved[table].index, inplace=True)
    pandapower.create_loads(solved, buses, p_mw=-watts / 1e6, q_mvar=-vars_ / 1e6)
    pandapower.runpp(solved, numba=False, tolerance_mva=1e-11)
    return solved


def assert_agreement(net: pandapowerNet, grid: GridNetwork, watts: np.ndarray, vars_: np.ndarray) -> pandapowerNet:
    """Voltages to 1e-8 p.u., loadings to 1e-6 percent; the judge, which is pandapower at its defaults, to 3e-4."""
    point, judged = grid.solve(watts, vars_), grid.judge(watts, vars_)
    truth = pandapower_state(net, grid.buses, watts=watts, vars_=vars_)
    loss_mw = truth.res_line.pl_mw.sum() + truth.res_trafo.pl_mw.sum()
    loading = {"line_loading_percent": truth.res_line, "trafo_loading_percent": truth.res_trafo}
    for state, exactness in ((point, 1.0), (judged, 300.0)):
        assert np.abs(state.vm_pu - truth.res_bus.vm_pu[list(grid.buses)]).max() < 1e-8 * exactness
        for name, table in loading.items():
            assert (
                np.abs(getattr(state, name) - table.loading_percent.fillna(0)).max() < 1e-6 * exactness or table.empty
            )
        assert state.loss_w == pytest.approx(1e6 * loss_mw, abs=1e-3 * exactness)
    assert [(one.kind, one.element) for one in point.violations] == [
        (one.kind, one.element) for one in judged.violations
    ]
    return truth


@pytest.mark.parametrize("code", SIMBENCH)
def test_voltages_loadings_losses_and_violations_agree_on_simbench(code) -> None:
    net = load_network(f"simbench:{code}")
    grid = open_network(f"simbench:{code}", v_min_pu=0.97, v_max_pu=1.04, max_loading_percent=20)
    load_w, solar_w = SIMBENCH[code]
    violated = False
    for seed in range(2):
        injections = household_mix(len(grid.buses), seed=seed, load_w=load_w, solar_w=solar_w)
        assert_agreement(net, grid, *injections)
        violated |= bool(grid.solve(*injections).violations)
    assert violated, "the comparison must include violations"


@pytest.mark.parametrize("loading", LOADINGS)
@pytest.mark.parametrize("spec", [entry.spec for entry in LIBRARY])
def test_every_network_of_the_library_agrees_at_several_loadings(spec, loading) -> None:
    """A loading of 1 is one kVA of transformer for one of loads, and as much of solar at three buses in ten."""
    net = load_network(spec)
    grid = GridNetwork(net, max_loading_percent=20)
    load_w = 2 * loading * 1e6 * net.trafo.sn_mva.sum() / len(grid.buses)
    assert_agreement(net, grid, *household_mix(len(grid.buses), seed=7, load_w=load_w, solar_w=3 * load_w))


def test_a_meshed_network_with_two_external_grids_agrees_too() -> None:
    net = pandapower.networks.mv_oberrhein()
    grid = GridNetwork(net)
    assert len(grid.arrays.slack_nodes) == 2
    assert_agreement(net, grid, *household_mix(len(grid.buses), seed=7, load_w=100e3, solar_w=400e3))


def test_couplers_open_line_ends_and_elements_out_of_service_are_pandapowers(village_net) -> None:
    grid = GridNetwork(village_net)
    assert grid.buses == (0, 1, 2, 3, 4, 5), "the abandoned bus takes no injection"
    injection_w = np.array([0.0, -5e3, 8e3, -30e3, 20e3, -12e3])
    assert_agreement(village_net, grid, injection_w, 0.2 * injection_w)
    point = grid.solve(injection_w, 0.2 * injection_w)
    assert point.vm_pu[1] == point.vm_pu[2], "buses joined by a coupler are one node"
    assert point.line_loading_percent[2] > 0, "a line open at one end is charged from the other"
    assert point.line_loading_percent[4] == 0, "a line out of service carries nothing"


def test_loads_and_generators_of_the_network_are_ignored(village_net) -> None:
    injection_w, injection_var = np.array([0.0, -5e3, 8e3, -30e3, 20e3, -12e3]), np.zeros(6)
    empty = GridNetwork(village_net).solve(injection_w, injection_var)
    pandapower.create_load(village_net, 3, p_mw=0.05)
    pandapower.create_sgen(village_net, 4, p_mw=0.02)
    pandapower.create_storage(village_net, 5, p_mw=0.01, max_e_mwh=1)
    furnished = GridNetwork(village_net)
    assert np.array_equal(furnished.solve(injection_w, injection_var).vm_pu, empty.vm_pu)
    assert_agreement(village_net, furnished, injection_w, injection_var)
    assert len(village_net.load) == 1, "the network handed in is left alone"


def test_injections_at_the_external_grid_change_nothing(village_net) -> None:
    grid = GridNetwork(village_net)
    injection_w = np.array([0.0, -5e3, 8e3, -30e3, 20e3, -12e3])
    there = injection_w + np.array([50e3, 0, 0, 0, 0, 0])
    assert np.array_equal(grid.solve(there, np.zeros(6)).vm_pu, grid.solve(injection_w, np.zeros(6)).vm_pu)


def test_the_result_depends_on_the_injections_alone_not_on_what_was_solved_before(rural3) -> None:
    count = len(rural3.buses)
    one = household_mix(count, seed=1, load_w=3e3, solar_w=9e3)
    other = household_mix(count, seed=2, load_w=1e3, solar_w=15e3)
    for solve in (rural3.solve, rural3.judge):
        first = solve(*one)
        solve(*other)
        with pytest.raises(PowerFlowDiverged):
            solve(np.full(count, -1e7), np.zeros(count))
        again = solve(*one)
        assert np.array_equal(again.vm_pu, first.vm_pu)
        assert np.array_equal(again.line_loading_percent, first.line_loading_percent)


@st.composite
def feeders(draw: st.DrawFn) -> tuple[list[int], list[float], list[float], list[float]]:
    """Parents, lengths in km, active and reactive injections of a random tree of up to 12 houses."""
    count = draw(st.integers(1, 12))
    parents = [draw(st.integers(0, at)) for at in range(count)]
    lengths = draw(st.lists(st.floats(0.005, 0.2), min_size=count, max_size=count))
    powers = st.lists(st.floats(-8e3, 8e3), min_size=count, max_size=count)
    return parents, lengths, draw(powers), draw(powers)


@settings(max_examples=6, phases=(Phase.explicit, Phase.generate))
@given(feeders())
def test_any_tree_agrees_and_power_is_conserved(feeder) -> None:
    parents, lengths, watts, vars_ = feeder
    net = pandapower.create_empty_network()
    buses = [pandapower.create_bus(net, vn_kv=0.4) for _ in range(len(parents) + 1)]
    pandapower.create_ext_grid(net, buses[0], vm_pu=1.03)
    for child, (parent, length) in enumerate(zip(parents, lengths, strict=True), 1):
        pandapower.create_line(net, buses[parent], buses[child], length_km=length, std_type="NAYY 4x150 SE")
    grid = GridNetwork(net)
    injection_w, injection_var = np.array([0.0, *watts]), np.array([0.0, *vars_])
    truth = assert_agreement(net, grid, injection_w, injection_var)
    from_above_w = 1e6 * float(truth.res_ext_grid.p_mw.sum())
    assert from_above_w + injection_w.sum() == pytest.approx(grid.solve(injection_w, injection_var).loss_w, abs=0.1)
