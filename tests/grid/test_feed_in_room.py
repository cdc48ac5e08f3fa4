"""Room for feed-in: a full street holds back its own homes alone, and whatever part is used keeps all limits."""

import numpy as np
import pytest
from grid_cases import two_streets
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.envelopes import uniform_generation_share
from grid.fair_envelopes import FeedInRoom, feed_in_room
from grid.limits import LimitKind
from grid.network import GridNetwork

HOUSES = np.arange(2, 8)
SIDE_STREET_FIRST_LINE = 3
LOAD_W = np.array([0.0, 0.0, *[400.0] * 6])


def room(grid: GridNetwork, points: np.ndarray, *wishes_w: np.ndarray, load_w: np.ndarray = LOAD_W) -> FeedInRoom:
    """Half of the load is sure, the other half may be drawn or not."""
    return feed_in_room(
        grid,
        point_bus=points,
        base_injection_w=-load_w / 2,
        base_injection_var=-load_w / 10,
        more_load_w=load_w / 2,
        wishes_w=np.stack(wishes_w),
    )


def violations(grid: GridNetwork, points: np.ndarray, power_w: np.ndarray, drawn_w: np.ndarray):
    return grid.solve(np.bincount(points, power_w, drawn_w.size) - drawn_w, -LOAD_W / 10).violations


def test_a_full_street_holds_back_its_own_homes_and_names_its_cable() -> None:
    grid = GridNetwork(two_streets(side_ka=0.05))
    found = room(grid, HOUSES, np.full(6, 20e3), np.full(6, 25e3))
    assert found.limit_w[:3] == pytest.approx(25e3), "the main street may give all it has"
    assert found.stopped_by[:3] == (None, None, None)
    assert found.limit_w[3:] == pytest.approx(found.limit_w[3])
    assert found.limit_w[3] < 12e3
    assert {(row.kind, row.element) for row in found.stopped_by[3:] if row} == {
        (LimitKind.LINE_LOADING, SIDE_STREET_FIRST_LINE)
    }


def test_at_a_full_transformer_everybody_stops_at_the_same_share_and_it_is_named() -> None:
    grid = GridNetwork(two_streets())
    wish_w = np.array([50e3, 60e3, 70e3, 50e3, 60e3, 5e3])
    found = room(grid, HOUSES, wish_w, wish_w)
    share = uniform_generation_share(
        grid,
        firm_injection_w=-LOAD_W / 2,
        firm_injection_var=-LOAD_W / 10,
        generation_w=np.bincount(HOUSES, wish_w, 8).astype(float),
    )
    assert 0.5 < share < 1.0
    assert found.limit_w / wish_w == pytest.approx(share, abs=2e-3)
    assert {row.kind for row in found.stopped_by if row} == {LimitKind.TRAFO_LOADING}


def test_nobody_gets_of_the_second_wish_before_all_have_the_first() -> None:
    grid = GridNetwork(two_streets(side_ka=0.3))
    first_w, more_w = np.full(6, 30e3), np.array([30e3, 30e3, 30e3, 90e3, 90e3, 90e3])
    found = room(grid, HOUSES, first_w, more_w)
    assert (found.limit_w >= 30e3 - 1.0).all()
    assert found.limit_w[:3] == pytest.approx(30e3, rel=2e-3)
    assert (found.limit_w[3:] > 45e3).all(), "180 kW are wished first, 250 kW are carried: the rest is shared"


def test_load_elsewhere_that_lowers_the_voltage_is_left_room_for() -> None:
    """A cable that feeding in fills carries more current when others draw: without room for that it would pass."""
    grid = GridNetwork(two_streets(side_ka=0.05))
    load_w = np.array([0.0, 0.0, 40e3, 40e3, 40e3, 0.0, 0.0, 0.0])
    points, wish_w = HOUSES[3:], np.full(3, 20e3)
    careful, careless = room(grid, points, wish_w, load_w=load_w), room(grid, points, wish_w, load_w=0 * load_w)
    reactive = np.zeros(8)

    def passes(limit_w: np.ndarray) -> bool:
        return bool(grid.solve(np.bincount(points, limit_w, 8) - load_w, reactive).violations)

    assert passes(careless.limit_w)
    assert not passes(careful.limit_w)
    assert careful.limit_w.sum() > 0.95 * careless.limit_w.sum()


def test_a_base_that_passes_a_limit_alone_may_be_relieved_by_the_same_share_of_all() -> None:
    grid = GridNetwork(two_streets(), v_min_pu=0.97)
    load_w = np.array([0.0, 0.0, *[120e3] * 3, 0.0, 0.0, 0.0])
    base_w = -load_w / 2
    assert grid.solve(base_w, base_w * 0).violations
    found = feed_in_room(
        grid,
        point_bus=HOUSES[:3],
        base_injection_w=base_w,
        base_injection_var=base_w * 0,
        more_load_w=load_w / 2,
        wishes_w=np.full((1, 3), 50e3),
    )
    assert found.limit_w == pytest.approx(found.limit_w[0])
    assert not grid.solve(np.bincount(HOUSES[:3], found.limit_w, 8) + base_w, base_w * 0).violations


def test_without_a_plant_there_is_nothing_to_share() -> None:
    nobody = np.array([], dtype=np.int64)
    assert room(GridNetwork(two_streets()), nobody, np.array([])).limit_w.size == 0


@pytest.mark.parametrize("wishes_w", [[[-1.0] * 6], [[np.nan] * 6], [[2e3] * 6, [1e3] * 6]])
def test_wishes_below_zero_not_finite_or_falling_are_refused(wishes_w) -> None:
    with pytest.raises(ValueError, match="wishes must be finite, not negative and never less than a stage before"):
        room(GridNetwork(two_streets()), HOUSES, *np.array(wishes_w))


@st.composite
def streets(draw: st.DrawFn) -> tuple[GridNetwork, np.ndarray, np.ndarray, np.ndarray, int]:
    """A network of two streets, plants (some at one bus), what they are capable of, their nameplates, and a seed."""
    points = np.array(draw(st.lists(st.sampled_from(HOUSES.tolist()), min_size=1, max_size=9)))
    nameplate_w = np.array([draw(st.sampled_from([0.0, 3e3, 10e3, 30e3, 80e3])) for _ in points])
    capable_w = nameplate_w * np.array([draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])) for _ in points])
    grid = GridNetwork(
        two_streets(draw(st.floats(0.02, 0.3)), draw(st.floats(0.02, 0.3))), v_min_pu=0.95, v_max_pu=1.05
    )
    return grid, points, capable_w, nameplate_w, draw(st.integers(0, 2**16))


@settings(max_examples=12)
@given(streets())
def test_whatever_part_of_the_room_is_used_and_of_the_load_is_drawn_all_limits_are_kept(street) -> None:
    grid, points, capable_w, nameplate_w, seed = street
    limit_w = room(grid, points, capable_w, nameplate_w).limit_w
    assert ((limit_w >= 0.0) & (limit_w <= nameplate_w)).all()
    random = np.random.default_rng(seed)
    for _ in range(10):
        used = np.where(random.random(points.size) < 0.5, 1.0, random.random(points.size))
        used *= random.random(points.size) < 0.7
        drawn_w = LOAD_W * np.where(random.random(LOAD_W.size) < 0.5, random.choice([0.5, 1.0]), 0.5)
        assert not violations(grid, points, used * limit_w, drawn_w)


@settings(max_examples=12)
@given(streets())
def test_who_gets_less_than_all_is_told_which_limit_and_who_gets_all_none(street) -> None:
    grid, points, capable_w, nameplate_w, _ = street
    found = room(grid, points, capable_w, nameplate_w)
    for limit_w, wish_w, stopped_by in zip(found.limit_w, nameplate_w, found.stopped_by, strict=True):
        assert limit_w == wish_w or stopped_by is not None


@settings(max_examples=12)
@given(streets())
def test_nobody_gets_less_than_one_share_for_all_would_give(street) -> None:
    grid, points, capable_w, _, _ = street
    share = uniform_generation_share(
        grid,
        firm_injection_w=-LOAD_W,
        firm_injection_var=-LOAD_W / 10,
        generation_w=np.bincount(points, capable_w, LOAD_W.size).astype(float),
    )
    found = feed_in_room(
        grid,
        point_bus=points,
        base_injection_w=-LOAD_W,
        base_injection_var=-LOAD_W / 10,
        more_load_w=0.0 * LOAD_W,
        wishes_w=capable_w[None, :],
    )
    # Where some plants stand still a cable may carry more current, at the lower voltage: that room is left, too.
    assert (found.limit_w >= 0.95 * share * capable_w - 1.0).all()
    assert found.limit_w.sum() >= 0.98 * share * capable_w.sum() - 1.0
