"""Single phases of the IEEE European feeder at its published peak, and what needs data that a network has not."""

import numpy as np
import pytest
from click.testing import CliRunner

from app.cli import main
from grid.feeder import NetworkError
from grid.limits import LimitKind
from grid.measurement import Limits
from grid.network import GridNetwork, load_network
from grid.three_phase import PHASES, phase_violations, require_zero_sequence, spread_phases


def test_phases_are_spread_evenly_by_name_whatever_the_order() -> None:
    points = [f"mp-{number}" for number in range(8)]
    phases = dict(zip(points, spread_phases(points).tolist(), strict=True))
    turned = dict(zip(points[::-1], spread_phases(points[::-1]).tolist(), strict=True))
    assert phases == turned == {point: at % 3 for at, point in enumerate(points)}


def peak(net) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray]:
    """Bus, phase and injection of every load of the published peak: each is on one phase."""
    rows = [
        (int(load["bus"]), phase, -1e6 * load[f"p_{letter}_mw"], -1e6 * load[f"q_{letter}_mvar"])
        for _, load in net.asymmetric_load.iterrows()
        for phase, letter in enumerate(PHASES)
    ]
    bus, phase, watts, vars_ = zip(*rows, strict=True)
    return list(bus), np.array(phase), np.array(watts), np.array(vars_)


@pytest.mark.needs("module:opendssdirect")
def test_a_phase_passes_what_the_balanced_state_keeps_and_opendss_agrees() -> None:
    from opendss_feeder import OpenDssFeeder, SinglePhaseLoad

    net = load_network("pandapower:ieee_european_lv")
    bus, phase, watts, vars_ = peak(net)
    limits = Limits(v_min_pu=1.01, v_max_pu=1.1, max_loading_percent=100.0)
    grid = GridNetwork(net, v_min_pu=1.01)
    per_bus = np.zeros((2, len(grid.buses)))
    for at, power in ((0, watts), (1, vars_)):
        np.add.at(per_bus[at], [grid.buses.index(each) for each in bus], power)
    assert not grid.solve(*per_bus).violations
    passed = phase_violations(net, limits, point_bus=bus, point_phase=phase, injection_w=watts, injection_var=vars_)
    assert {one.phase for one in passed} == {"b"}
    assert {one.kind for one in passed} == {LimitKind.VOLTAGE_LOW}
    other = OpenDssFeeder(net)
    other.solve(
        single_phase=[
            SinglePhaseLoad(bus=at, phase=on + 1, load_w=-watt, load_var=-var)
            for at, on, watt, var in zip(bus, phase.tolist(), watts, vars_, strict=True)
        ]
    )
    for one in passed:
        assert other.vm_pu(one.element)[PHASES.index(one.phase)] == pytest.approx(one.value, abs=1e-3)
    assert passed[0].value == min(one.value for one in passed)


def test_a_network_without_zero_sequence_data_is_refused_and_one_with_them_is_not() -> None:
    with pytest.raises(NetworkError, match="the table line has no r0_ohm_per_km, x0_ohm_per_km, c0_nf_per_km; add"):
        require_zero_sequence(load_network("pandapower:kerber_dorfnetz"))
    require_zero_sequence(load_network("pandapower:ieee_european_lv"))


def test_grid_check_tells_phases_that_pass_a_limit_and_refuses_networks_without_the_data(tmp_path) -> None:
    (tmp_path / "peak.csv").write_text("bus,injection_w\n200,-4000\n250,-4000\n", encoding="utf-8")
    words = ["grid", "check", "--injections", str(tmp_path / "peak.csv"), "--v-min", "1.047", "--three-phase"]
    told = CliRunner().invoke(main, [*words, "--network", "pandapower:ieee_european_lv"])
    assert told.exit_code == 1, told.output
    assert "on phase b: 1.0" in told.stdout
    refused = CliRunner().invoke(
        main, [*words, "--network", "pandapower:kerber_vorstadtnetz_kabel_1", "--v-min", "0.9"]
    )
    assert refused.exit_code == 2
    assert "single phases cannot be checked: the table line has no r0_ohm_per_km" in refused.stderr
