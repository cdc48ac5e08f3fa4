"""A line with a load at its end has a closed-form solution: the truth for voltage, loading, losses and slopes."""

import math

import numpy as np
import pytest
from grid_cases import LIMIT_KA, R_OHM, X_OHM

from grid.limits import LimitKind, Violation
from grid.network import GridNetwork
from grid.power_flow import PowerFlowDiverged

BASE_V = 400.0


def end_voltage_v(load_w: float, load_var: float) -> float:
    """U^2 = m + sqrt(m^2 - |Z|^2 |S|^2) with m = U0^2 / 2 - (R P + X Q), line to line, three phases together."""
    middle = BASE_V**2 / 2 - (R_OHM * load_w + X_OHM * load_var)
    return math.sqrt(middle + math.sqrt(middle**2 - (R_OHM**2 + X_OHM**2) * (load_w**2 + load_var**2)))


def current_a(load_w: float, load_var: float) -> float:
    return math.hypot(load_w, load_var) / (math.sqrt(3) * end_voltage_v(load_w, load_var))


def of_load(load_w: float, load_var: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([0.0, -load_w]), np.array([0.0, -load_var])


@pytest.mark.parametrize("load", [(0.0, 0.0), (40e3, 10e3), (-60e3, 0.0), (120e3, 30e3), (0.0, -20e3)])
def test_voltage_loading_and_losses_are_those_of_the_formula(two_bus_net, load) -> None:
    point = GridNetwork(two_bus_net).solve(*of_load(*load))
    amperes = current_a(*load)
    assert point.vm_pu == pytest.approx([1.0, end_voltage_v(*load) / BASE_V], abs=1e-10)
    assert point.line_loading_percent[0] == pytest.approx(100 * amperes / (1e3 * LIMIT_KA), abs=1e-7)
    assert point.loss_w == pytest.approx(3 * amperes**2 * R_OHM, abs=1e-3)


@pytest.mark.parametrize("load", [(40e3, 10e3), (-60e3, 5e3)])
def test_rows_have_the_slopes_of_the_formula(two_bus_net, load) -> None:
    grid = GridNetwork(two_bus_net)
    kinds = {LimitKind.VOLTAGE_HIGH: 1, LimitKind.VOLTAGE_LOW: 1, LimitKind.LINE_LOADING: 0}
    asked = tuple(Violation(kind=kind, element=at, name="", limit=1.1, value=0.0) for kind, at in kinds.items())
    high, low, loading = grid.linearise(grid.solve(*of_load(*load)), asked)
    watt, var = load
    volt_slope = (end_voltage_v(watt - 1, var) - end_voltage_v(watt + 1, var)) / 2 / BASE_V
    ampere_slope = (current_a(watt - 1, var) - current_a(watt + 1, var)) / 2 / (10 * LIMIT_KA)
    assert high.sensitivity_per_w == pytest.approx([0.0, volt_slope], rel=1e-6)
    assert low.sensitivity_per_w == pytest.approx([0.0, -volt_slope], rel=1e-6)
    assert loading.sensitivity_per_w == pytest.approx([0.0, ampere_slope], rel=1e-5)
    assert (high.value, high.limit, low.value, low.limit) == (-low.value, 1.1, -high.value, -1.1)


def test_the_largest_load_that_has_a_solution_is_found_and_one_percent_more_is_refused(two_bus_net) -> None:
    impedance = math.hypot(R_OHM, X_OHM)
    largest_w = BASE_V**2 / (2 * (impedance + R_OHM))
    grid = GridNetwork(two_bus_net)
    assert grid.solve(*of_load(0.99 * largest_w, 0.0)).vm_pu[1] == pytest.approx(
        end_voltage_v(0.99 * largest_w, 0.0) / BASE_V, abs=1e-8
    )
    with pytest.raises(PowerFlowDiverged, match=r"at bus 1 house\): .* exceed what the network can carry"):
        grid.solve(*of_load(1.01 * largest_w, 0.0))
    with pytest.raises(PowerFlowDiverged, match="exceed what the network can carry"):
        grid.judge(*of_load(1.01 * largest_w, 0.0))


def test_a_current_of_zero_has_no_slope(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net)
    asked = (Violation(kind=LimitKind.LINE_LOADING, element=0, name="", limit=100.0, value=0.0),)
    row = grid.linearise(grid.solve(np.zeros(2), np.zeros(2)), asked)[0]
    assert row.value == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(row.sensitivity_per_w).all()


@pytest.mark.parametrize("injection", [np.zeros(3), np.array([0.0, np.nan]), np.array([0.0, np.inf])])
def test_injections_of_the_wrong_length_or_not_finite_are_a_mistake_of_the_caller(two_bus_net, injection) -> None:
    with pytest.raises(ValueError, match="2 finite values, one for each bus"):
        GridNetwork(two_bus_net).solve(injection, np.zeros(injection.size))
