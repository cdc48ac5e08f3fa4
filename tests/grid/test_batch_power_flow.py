"""Many states at once are the states one by one, and what they pass is told step by step."""

import numpy as np
import pytest
from grid_cases import household_mix

from grid.batch import BLOCK_STATES, BatchPowerFlow
from grid.network import GridNetwork, open_network


def batch_of(grid: GridNetwork) -> BatchPowerFlow:
    return BatchPowerFlow(grid.arrays, grid.limits)


@pytest.mark.parametrize(
    ("spec", "load_w", "solar_w"),
    [
        ("simbench:1-LV-rural3--2-sw", 3e3, 25e3),
        ("pandapower:cigre_mv", 1e6, 4e6),
        ("pandapower:ieee_european_lv", 600.0, 2e3),
    ],
)
def test_every_state_is_the_one_that_newton_finds(spec, load_w, solar_w) -> None:
    grid = open_network(spec, v_min_pu=0.97, v_max_pu=1.04, max_loading_percent=60)
    mixes = [household_mix(len(grid.buses), seed=seed, load_w=load_w, solar_w=solar_w) for seed in range(6)]
    watts, vars_ = (np.array([mix[part] for mix in mixes]) for part in (0, 1))
    states, screening = batch_of(grid).solve(watts, vars_), batch_of(grid).screen(watts, vars_)
    assert states.solved.all()
    violated = 0
    for step in range(6):
        point = grid.solve(watts[step], vars_[step])
        assert np.abs(states.vm_pu[step] - point.vm_pu).max() < 1e-9
        assert np.abs(states.line_loading_percent[step] - point.line_loading_percent).max() < 1e-5
        assert np.abs(states.trafo_loading_percent[step] - point.trafo_loading_percent).max() < 1e-5
        there = screening.state == step
        told = {(screening.kind[at], int(screening.element[at])) for at in np.flatnonzero(there)}
        assert told == {(one.kind, one.element) for one in point.violations}
        violated += len(told)
    assert violated > 0, "the comparison must include violations"


def test_states_near_collapse_are_newtons_and_those_beyond_it_are_told(two_bus_net) -> None:
    two_bus_net.line["max_i_ka"] = 99999.0
    grid = GridNetwork(two_bus_net)
    watts = np.array([[0.0, -load_w] for load_w in (0.0, 460e3, 480e3, 490e3, 1e3)])
    screening, states = batch_of(grid).screen(watts, 0 * watts), batch_of(grid).solve(watts, 0 * watts)
    assert screening.unsolved.tolist() == [3]
    assert np.isnan(states.vm_pu[3]).all()
    assert states.vm_pu[2] == pytest.approx(grid.solve(watts[2], 0 * watts[2]).vm_pu, abs=1e-7)
    assert screening.state.tolist() == [1, 2]
    assert screening.value == pytest.approx(states.vm_pu[[1, 2], 1])


def test_steps_are_numbered_through_all_blocks(two_bus_net) -> None:
    grid = GridNetwork(two_bus_net)
    watts = np.zeros((2 * BLOCK_STATES + 3, 2))
    late = [BLOCK_STATES - 1, BLOCK_STATES, 2 * BLOCK_STATES + 2]
    watts[late, 1] = -150e3
    screening = batch_of(grid).screen(watts, 0 * watts)
    assert sorted(set(screening.state.tolist())) == late
    assert not screening.unsolved.size


def test_nothing_asked_is_nothing_found_and_a_wrong_shape_is_refused(two_bus_net) -> None:
    batch = batch_of(GridNetwork(two_bus_net))
    assert not batch.screen(np.zeros((0, 2)), np.zeros((0, 2))).state.size
    for wrong in (np.zeros((4, 3)), np.zeros(2), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match=r"finite and \[n_state, 2\]"):
            batch.solve(wrong, np.zeros_like(wrong))
