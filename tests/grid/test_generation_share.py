"""The largest equal share of generation that the network takes."""

import numpy as np
import pandapower
import pytest
from grid_cases import household_mix

from grid.envelopes import uniform_generation_share
from grid.network import GridNetwork


def share_of(grid: GridNetwork, firm_w, generation_w) -> float:
    firm_w = np.asarray(firm_w, dtype=float)
    return uniform_generation_share(
        grid, firm_injection_w=firm_w, firm_injection_var=np.zeros(firm_w.size), generation_w=np.asarray(generation_w)
    )


def test_the_share_is_feasible_and_the_next_step_is_not(rural3) -> None:
    count = len(rural3.buses)
    firm_w, _ = household_mix(count, seed=4, load_w=1e3, solar_w=0.0)
    generation_w = np.full(count, 8e3)
    share = share_of(rural3, firm_w, generation_w)
    assert 0.2 < share < 0.8
    assert not rural3.solve(firm_w + share * generation_w, np.zeros(count)).violations
    assert rural3.solve(firm_w + (share + 1 / 1024) * generation_w, np.zeros(count)).violations


def test_everything_is_taken_where_nothing_binds_and_nothing_where_the_line_is_full(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net)
    assert share_of(grid, [0, -5e3], [0, 10e3]) == 1.0
    assert share_of(grid, [0, 0], [0, 0]) == 1.0
    assert share_of(grid, [0, 150e3], [0, 10e3]) == 0.0


def test_loads_that_break_a_limit_alone_may_be_relieved_by_generation(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net, v_min_pu=0.97, v_max_pu=1.03)
    assert grid.solve(np.array([0, -70e3]), np.zeros(2)).violations
    share = share_of(grid, [0, -70e3], [0, 200e3])
    assert not grid.solve(np.array([0, -70e3 + share * 200e3]), np.zeros(2)).violations
    assert share > 0.5


def test_a_share_that_has_no_power_flow_is_infeasible_not_an_error(two_bus_net) -> None:
    two_bus_net.line["max_i_ka"] = 99999.0
    pandapower.create_shunt(two_bus_net, 1, q_mvar=0.0, p_mw=0.0)
    assert 0.0 < share_of(GridNetwork(two_bus_net, v_max_pu=1.9), [0, 0], [0, 1e9]) < 0.01


def test_negative_generation_is_refused(two_bus_net) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        share_of(GridNetwork(two_bus_net), [0, 0], [0, -1.0])
