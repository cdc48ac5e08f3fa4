"""Operating envelopes: what all may use at once, what any mixture of uses keeps, and who gets how much."""

import numpy as np
import pytest
from grid_cases import two_streets
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.envelopes import uniform_generation_share
from grid.fair_envelopes import Envelopes, operating_envelopes
from grid.network import GridNetwork

IMPORT_W = 4e3


def envelopes(grid: GridNetwork, points: np.ndarray, wish_w: np.ndarray, import_w: float = IMPORT_W) -> Envelopes:
    """Of one interval, with a little load beside the points."""
    base_w = np.zeros((1, len(grid.buses)))
    base_w[0, 2:] = -200.0
    return operating_envelopes(
        grid,
        point_bus=points,
        base_injection_w=base_w,
        base_injection_var=0.2 * base_w,
        export_wish_w=wish_w[None, :],
        import_wish_w=np.full((1, points.size), import_w),
    )


def violations(grid: GridNetwork, points: np.ndarray, power_w: np.ndarray):
    base_w = np.zeros(len(grid.buses))
    base_w[2:] = -200.0
    injected = base_w + np.bincount(points, power_w, base_w.size)
    return grid.solve(injected, 0.2 * base_w).violations


HOUSES = np.arange(2, 8)


def test_houses_behind_the_thin_cable_stop_and_the_others_go_on() -> None:
    grid = GridNetwork(two_streets(side_ka=0.05))
    export_w = envelopes(grid, HOUSES, np.full(6, 30e3)).export_limit_w[0]
    assert export_w[:3] == pytest.approx(30e3), "the main street is not limited"
    assert export_w[3:] == pytest.approx(export_w[3]), "houses behind one limit get the same"
    carried_w = np.sqrt(3) * 400.0 * 50.0
    assert export_w[3:].sum() - 600.0 == pytest.approx(carried_w, rel=0.03), "together what the cable carries"


def test_at_a_full_transformer_everybody_gets_the_same_share_as_the_uniform_rule_gives() -> None:
    grid = GridNetwork(two_streets())
    wish_w = np.array([50e3, 60e3, 70e3, 50e3, 60e3, 5e3])
    export_w = envelopes(grid, HOUSES, wish_w, import_w=0.0).export_limit_w[0]
    base_w = np.array([0.0, 0.0, *[-200.0] * 6])
    share = uniform_generation_share(
        grid,
        firm_injection_w=base_w,
        firm_injection_var=0.2 * base_w,
        generation_w=np.bincount(HOUSES, wish_w, 8),
    )
    assert 0.5 < share < 1.0
    assert export_w / wish_w == pytest.approx(share, abs=1e-3)


def test_with_thin_and_thick_streets_there_is_much_more_room_than_one_share_for_all_gives() -> None:
    grid = GridNetwork(two_streets(side_ka=0.03))
    wish_w = np.full(6, 25e3)
    generation_w = np.bincount(HOUSES, wish_w, 8)
    base_w = np.array([0.0, 0.0, *[-200.0] * 6])
    uniform = uniform_generation_share(
        grid, firm_injection_w=base_w, firm_injection_var=0.2 * base_w, generation_w=generation_w
    )
    fair_w = envelopes(grid, HOUSES, wish_w).export_limit_w[0]
    assert fair_w.sum() > 1.5 * uniform * wish_w.sum()
    assert fair_w.min() > 0.85 * uniform * 25e3, "who stopped first loses a tenth at most, and what mixtures need"


@st.composite
def neighbourhoods(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, float, int]:
    """Points (some share a bus), what they wish to feed in, both streets' cables in kA, and a seed for mixtures."""
    points = np.array(draw(st.lists(st.sampled_from(HOUSES.tolist()), min_size=1, max_size=10)))
    wish_w = np.array([draw(st.sampled_from([0.0, 3e3, 10e3, 30e3, 80e3])) for _ in points])
    thickness = st.floats(0.02, 0.3)
    return points, wish_w, draw(thickness), draw(thickness), draw(st.integers(0, 2**16))


@settings(max_examples=12)
@given(neighbourhoods())
def test_every_use_of_the_envelopes_keeps_all_limits(neighbourhood) -> None:
    points, wish_w, main_ka, side_ka, seed = neighbourhood
    grid = GridNetwork(two_streets(main_ka, side_ka), v_min_pu=0.95, v_max_pu=1.05)
    given_w = envelopes(grid, points, wish_w)
    export_w, import_w = given_w.export_limit_w[0], given_w.import_limit_w[0]
    assert (export_w <= wish_w).all()
    assert (import_w <= IMPORT_W).all()
    assert not violations(grid, points, export_w)
    assert not violations(grid, points, -import_w)
    random = np.random.default_rng(seed)
    for _ in range(10):
        exporting = random.random(points.size) < random.random()
        used = np.where(random.random(points.size) < 0.5, 1.0, random.random(points.size))
        assert not violations(grid, points, used * np.where(exporting, export_w, -import_w))


@settings(max_examples=12)
@given(neighbourhoods())
def test_equal_points_are_treated_equally(neighbourhood) -> None:
    points, wish_w, main_ka, side_ka, _ = neighbourhood
    grid = GridNetwork(two_streets(main_ka, side_ka))
    twice = envelopes(grid, np.concatenate([points, points]), np.concatenate([wish_w, wish_w])).export_limit_w[0]
    assert np.array_equal(twice[: points.size], twice[points.size :])
    order = np.argsort(-points, kind="stable")
    mirrored = envelopes(grid, points[order], wish_w[order]).export_limit_w[0]
    assert mirrored == pytest.approx(envelopes(grid, points, wish_w).export_limit_w[0][order], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("loadings", [(40.0, 60.0), (60.0, 80.0), (80.0, 100.0)])
def test_looser_limits_give_the_smallest_share_no_less(loadings) -> None:
    wish_w = np.array([30e3, 60e3, 10e3, 30e3, 20e3, 10e3])
    smallest = []
    for loading in loadings:
        grid = GridNetwork(two_streets(side_ka=0.08), max_loading_percent=loading)
        smallest.append(float((envelopes(grid, HOUSES, wish_w).export_limit_w[0] / wish_w).min()))
    assert 0.0 < smallest[0] <= smallest[1]


def test_nothing_is_given_where_the_base_alone_passes_a_limit_or_wishes_are_zero() -> None:
    grid = GridNetwork(two_streets(), v_max_pu=0.99)
    assert not envelopes(grid, HOUSES, np.full(6, 5e3)).export_limit_w.any()
    assert not envelopes(GridNetwork(two_streets()), HOUSES, np.zeros(6)).export_limit_w.any()


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_wishes_below_zero_or_not_finite_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="wishes must be finite and not negative"):
        envelopes(GridNetwork(two_streets()), HOUSES, np.full(6, wrong))


def test_on_a_simbench_village_with_a_tight_voltage_band_the_streets_get_different_shares(rural3) -> None:
    tight = GridNetwork(rural3._net, v_max_pu=1.06)
    points = np.arange(2, len(tight.buses))
    random = np.random.default_rng(2)
    wish_w = random.choice([3e3, 5e3, 8e3, 10e3], points.size)
    base_w = np.zeros(len(tight.buses))
    base_w[2:] = -200.0
    uniform = uniform_generation_share(
        tight,
        firm_injection_w=base_w,
        firm_injection_var=0.2 * base_w,
        generation_w=np.bincount(points, wish_w, base_w.size),
    )
    fair_w = envelopes(tight, points, wish_w).export_limit_w[0]
    assert not violations(tight, points, fair_w)
    assert fair_w.sum() > 1.15 * uniform * wish_w.sum()
    assert (fair_w / wish_w).min() > 0.85 * uniform
