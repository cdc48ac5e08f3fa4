"""Which limits are passed, in which order, and how they move with injections."""

from dataclasses import replace

import numpy as np
import pandapower
import pytest
from grid_cases import household_mix

from grid.limits import LimitKind, Violation
from grid.network import GridNetwork, open_network


def asked(kind: LimitKind, element: int, limit: float = 1.0) -> Violation:
    return Violation(kind=kind, element=element, name="", limit=limit, value=0.0)


@pytest.mark.parametrize("code", ["1-LV-rural1--2-no_sw", "1-LV-rural3--2-sw", "1-LV-semiurb4--1-no_sw"])
@pytest.mark.parametrize("kind", list(LimitKind))
def test_sensitivities_are_the_finite_differences_of_the_power_flow(code, kind) -> None:
    grid = open_network(f"simbench:{code}")
    count, random = len(grid.buses), np.random.default_rng(5)
    injection_w, injection_var = household_mix(count, seed=3, load_w=3e3, solar_w=9e3)
    columns = {LimitKind.LINE_LOADING: "line_loading_percent", LimitKind.TRAFO_LOADING: "trafo_loading_percent"}
    column = columns.get(kind, "vm_pu")
    ids = {"vm_pu": grid.buses, "line_loading_percent": grid.arrays.lines.ids}.get(column, grid.arrays.trafos.ids)
    point = grid.solve(injection_w, injection_var)
    worst = int(np.argmax(getattr(point, column)))
    places = sorted({worst, *random.integers(0, len(ids), 3).tolist()})
    rows = grid.linearise(point, tuple(asked(kind, int(ids[at])) for at in places))
    sign = -1.0 if kind is LimitKind.VOLTAGE_LOW else 1.0
    for _ in range(3):
        direction = random.normal(size=count)
        up, down = (grid.solve(injection_w + side * direction, injection_var) for side in (1, -1))
        for at, row in zip(places, rows, strict=True):
            difference = sign * (getattr(up, column)[at] - getattr(down, column)[at]) / 2
            assert row.value == pytest.approx(sign * getattr(point, column)[at], abs=1e-9)
            assert float(row.sensitivity_per_w @ direction) == pytest.approx(difference, rel=1e-4, abs=1e-8)


def test_rows_belong_to_the_point_given_not_to_the_one_solved_last(rural3) -> None:
    count = len(rural3.buses)
    early = rural3.solve(*household_mix(count, seed=1, load_w=3e3, solar_w=9e3))
    limits = (asked(LimitKind.TRAFO_LOADING, 0, 100.0), asked(LimitKind.VOLTAGE_HIGH, rural3.buses[-1]))
    expected = rural3.linearise(early, limits)
    rural3.solve(*household_mix(count, seed=2, load_w=1e3, solar_w=15e3))
    for row, again in zip(expected, rural3.linearise(early, limits), strict=True):
        assert row.value == again.value
        assert np.array_equal(row.sensitivity_per_w, again.sensitivity_per_w)
    assert rural3.linearise(early, ()) == ()


def test_a_row_of_an_element_the_network_does_not_have_is_refused(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net)
    point = grid.solve(np.zeros(2), np.zeros(2))
    with pytest.raises(KeyError, match="the network has no line 9"):
        grid.linearise(point, (asked(LimitKind.LINE_LOADING, 9),))
    with pytest.raises(KeyError, match="the network has no bus 7"):
        grid.linearise(point, (asked(LimitKind.VOLTAGE_LOW, 7),))


def test_violations_come_worst_first_and_say_what_where_and_how_much(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net, v_min_pu=0.98, max_loading_percent=50)
    point = grid.solve(np.array([0.0, -100e3]), np.zeros(2))
    loading, voltage = point.violations
    assert (loading.kind, loading.element, loading.limit) == (LimitKind.LINE_LOADING, 0, 50)
    assert loading.value == point.line_loading_percent[0] > 70
    assert (voltage.kind, voltage.element, voltage.name) == (LimitKind.VOLTAGE_LOW, 1, "house")
    assert voltage.value == point.vm_pu[1] < 0.96
    over = grid.solve(np.array([0.0, 60e3]), np.zeros(2))
    assert not over.violations, "0.98 to 1.1 p.u. holds 1.03"
    high = GridNetwork(two_bus_net, v_max_pu=1.02).solve(np.array([0.0, 60e3]), np.zeros(2)).violations
    assert [(one.kind, one.limit) for one in high] == [(LimitKind.VOLTAGE_HIGH, 1.02)]


def test_a_limit_reached_exactly_is_kept(two_bus_net) -> None:
    loading = GridNetwork(two_bus_net).solve(np.array([0.0, -50e3]), np.zeros(2)).line_loading_percent[0]
    at_limit = GridNetwork(two_bus_net, max_loading_percent=float(loading))
    assert not at_limit.solve(np.array([0.0, -50e3]), np.zeros(2)).violations
    assert at_limit.solve(np.array([0.0, -50.01e3]), np.zeros(2)).violations


def test_voltage_limits_leave_buses_of_1_kv_and_more_alone(village_net) -> None:
    grid = GridNetwork(village_net, v_max_pu=1.01)
    found = {one.element for one in grid.solve(np.zeros(6), np.zeros(6)).violations}
    assert found == {1, 2, 3, 4, 5}, "the 20 kV bus is held at 1.02 p.u. and is no violation"


def test_df_and_parallel_systems_raise_the_limit_as_in_pandapower(two_bus_net) -> None:
    two_bus_net.line["parallel"], two_bus_net.line["df"] = 2, 0.8
    grid = GridNetwork(two_bus_net)
    injection = np.array([0.0, -50e3]), np.zeros(2)
    assert grid.solve(*injection).line_loading_percent == pytest.approx(grid.judge(*injection).line_loading_percent)


@pytest.mark.parametrize(
    "limits", [{"v_min_pu": 1.2}, {"v_max_pu": 2.5}, {"v_min_pu": 0.0}, {"max_loading_percent": 0.0}]
)
def test_limits_without_sense_are_refused(two_bus_net, limits) -> None:
    with pytest.raises(ValueError, match="must be"):
        GridNetwork(two_bus_net, **limits)


def test_the_state_by_id_is_what_the_picture_and_the_database_show(village_net) -> None:
    grid = GridNetwork(village_net)
    point = grid.solve(np.zeros(6), np.zeros(6))
    state = grid.state_by_id(point)
    assert set(state) == {"vm_pu", "line_loading_percent", "trafo_loading_percent"}
    assert state["vm_pu"]["0"] == 1.02
    assert set(state["line_loading_percent"]) == {"0", "1", "2", "3", "4"}
    assert state["trafo_loading_percent"]["0"] == pytest.approx(point.trafo_loading_percent[0], abs=1e-4)
    assert replace(point, iterations=0).injection_w.flags.owndata, "a point keeps its own injections"


def test_taps_of_the_network_count(village_net) -> None:
    shifted = GridNetwork(village_net).solve(np.zeros(6), np.zeros(6)).vm_pu[1]
    village_net.trafo["tap_pos"] = 0
    straight = GridNetwork(village_net).solve(np.zeros(6), np.zeros(6)).vm_pu[1]
    assert shifted / straight == pytest.approx(1 / (1 - 0.025), rel=1e-3)
    assert pandapower.__version__ >= "3", "which ignores taps without a type; see the networks' sources"
