"""Single phases of the IEEE European feeder at its published peak, and what needs data that a network has not."""

import json

import numpy as np
import pandapower
import pytest
from click.testing import CliRunner

from app.cli import main
from grid.feeder import NetworkError
from grid.limits import LimitKind
from grid.measurement import Limits
from grid.network import GridNetwork, load_network, open_network
from grid.three_phase import PHASES, PhaseCheck, phase_violations, require_zero_sequence


def peak(net) -> tuple[list[int], list[str], np.ndarray, np.ndarray]:
    """Bus, phase and injection of every load of the published peak: each is on one phase."""
    rows = [
        (int(load["bus"]), letter, -1e6 * load[f"p_{letter}_mw"], -1e6 * load[f"q_{letter}_mvar"])
        for _, load in net.asymmetric_load.iterrows()
        for letter in PHASES
    ]
    bus, phase, watts, vars_ = zip(*rows, strict=True)
    return list(bus), list(phase), np.array(watts), np.array(vars_)


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
            SinglePhaseLoad(bus=at, phase=PHASES.index(on) + 1, load_w=-watt, load_var=-var)
            for at, on, watt, var in zip(bus, phase, watts, vars_, strict=True)
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


def one_line():
    """A stiff source of 230.94 V a phase and 200 m of cable: 0.2 ohm/km forward, 0.8 ohm/km in the zero sequence."""
    net = pandapower.create_empty_network()
    source, end = pandapower.create_bus(net, 0.4, name="source"), pandapower.create_bus(net, 0.4, name="end")
    pandapower.create_ext_grid(net, source, s_sc_max_mva=1e6, rx_max=0.1, r0x0_max=0.1, x0x_max=1.0)
    pandapower.create_line_from_parameters(
        net,
        source,
        end,
        length_km=0.2,
        r_ohm_per_km=0.2,
        x_ohm_per_km=1e-4,
        c_nf_per_km=0.0,
        r0_ohm_per_km=0.8,
        x0_ohm_per_km=1e-4,
        c0_nf_per_km=0.0,
        max_i_ka=0.05,
    )
    return net


def test_one_phase_stands_as_high_as_ohms_law_says() -> None:
    """A phase alone sees (2 * 0.2 + 0.8) / 3 * 0.2 = 0.08 ohm: 9200 W from its end raise 230.94 V to 234.08 V."""
    limits = Limits(v_min_pu=0.9, v_max_pu=1.01, max_loading_percent=100.0)
    source_v, watts = 400.0 / np.sqrt(3), 9200.0
    expected_v = (source_v + np.sqrt(source_v**2 + 4 * 0.08 * watts)) / 2
    (passed,) = phase_violations(
        one_line(),
        limits,
        point_bus=[1],
        point_phase=["b"],
        injection_w=np.array([watts]),
        injection_var=np.zeros(1),
    )
    assert (passed.kind, passed.element, passed.phase, passed.name) == (LimitKind.VOLTAGE_HIGH, 1, "b", "end")
    assert passed.value == pytest.approx(expected_v / source_v, abs=1e-4)
    assert passed.value == pytest.approx(1.0136, abs=1e-4)


def test_the_same_power_on_three_phases_keeps_what_it_passes_on_one() -> None:
    limits = Limits(v_min_pu=0.9, v_max_pu=1.01, max_loading_percent=50.0)

    def passed(*phases: str) -> set[tuple[str, str]]:
        found = phase_violations(
            one_line(),
            limits,
            point_bus=[1] * len(phases),
            point_phase=phases,
            injection_w=np.full(len(phases), 9200.0 / len(phases)),
            injection_var=np.zeros(len(phases)),
        )
        return {(one.kind.value, one.phase) for one in found}

    assert passed("abc") == passed("a", "b", "c") == set()
    assert passed("a") == {("voltage_high", "a"), ("line_loading", "a")}, "9200 W are 39 A of 50 A"


def test_a_network_says_why_single_phases_were_not_checked() -> None:
    nobody = {"point_bus": [], "point_phase": [], "injection_w": np.zeros(0), "injection_var": np.zeros(0)}
    assert GridNetwork(one_line()).check_phases(**nobody) == PhaseCheck()
    refused = open_network("pandapower:kerber_dorfnetz").check_phases(**nobody)
    assert refused.not_checked is not None
    assert "the table line has no r0_ohm_per_km" in refused.not_checked
    beyond = GridNetwork(one_line()).check_phases(
        point_bus=[1], point_phase=["a"], injection_w=np.array([-9e6]), injection_var=np.zeros(1)
    )
    assert beyond.diverged


def test_a_column_of_phases_is_checked_without_being_asked(tmp_path) -> None:
    words = ["grid", "check", "--network", "pandapower:ieee_european_lv", "--v-max", "1.06", "--json", "--injections"]
    header, buses = "bus,injection_w,phase\n", (200, 250, 300)

    def checked(phases: str) -> tuple[int, list[dict[str, object]]]:
        rows = [f"{bus},6000,{phase}\n" for bus, phase in zip(buses, phases, strict=True)]
        (tmp_path / "noon.csv").write_text(header + "".join(rows), encoding="utf-8")
        told = CliRunner().invoke(main, [*words, str(tmp_path / "noon.csv")])
        return told.exit_code, json.loads(told.stdout)["phase_violations"]

    code, found = checked("bbb")
    assert code == 1
    assert {one["phase"] for one in found} == {"b"}
    assert checked("abc") == (0, [])
    (tmp_path / "bad.csv").write_text(f"{header}200,6000,b\n250,6000,L2\n", encoding="utf-8")
    refused = CliRunner().invoke(main, [*words, str(tmp_path / "bad.csv")])
    assert refused.exit_code == 2
    assert "line 3: phase 'l2' is unknown; give a, b or c, or abc for all three" in refused.stderr
