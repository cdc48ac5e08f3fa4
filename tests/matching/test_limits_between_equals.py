"""What is published of limits where several results are equally good, and that nothing is published twice."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from market_cases import DirectCurrentTree, order, outcome
from scipy.optimize import minimize
from test_limits_by_hand import TWO_LINES, cleared

from matching.equals import nearest_to_pro_rata
from matching.result import Status


def test_a_limit_that_only_decides_between_equals_is_listed_without_a_price() -> None:
    """Both sellers ask for the same, and half each would not get through the line: more room is worth nothing."""
    result = cleared(
        order("buyer", "buy", 100, 300_000, "firm", 0),
        order("near", "sell", 200, 200_000, bus=0),
        order("far", "sell", 200, 200_000, bus=1),
    )
    assert result.status is Status.GREEN
    sold = {name: wh for name, (wh, _, _) in outcome(result).items()}
    assert (sold["near"] + sold["far"], sold["far"] <= 10) == (100, True)
    assert [(each.name, each.shadow_price) for each in result.binding] == [("line 0", 0.0)]
    assert [row.tells_apart for row in result.certificate.rows] == [True]


def test_the_certificate_says_every_row_once() -> None:
    """The loop keeps what it has linearised before; on straight lines that is always the same row again."""
    near = [order(f"near{k}", "sell", 7, 200_000, bus=0) for k in range(9)]
    far = [order(f"far{k}", "sell", 3 + k, 200_000, bus=1 + k % 2) for k in range(9)]
    result = cleared(order("buyer", "buy", 60, 300_000, "firm", 0), *near, *far, limits=TWO_LINES)
    said = [(row.kind, row.element, row.room, *row.effect_per_wh.items()) for row in result.certificate.rows]
    assert said
    assert len(set(said)) == len(said) <= 2


@pytest.mark.parametrize("names", [("home", "mid", "far"), ("a", "b", "c"), ("z", "y", "x")])
def test_equals_behind_limits_get_what_is_nearest_to_pro_rata(names: tuple[str, str, str]) -> None:
    """A third of 100 Wh each would take 67 of the 25 Wh that the first line carries, and 33 of the 10 of the second."""
    home, mid, far = names
    result = cleared(
        order("buyer", "buy", 100, 300_000, "firm", 0),
        *(order(name, "sell", 200, 200_000, bus=bus) for bus, name in enumerate(names)),
        limits=DirectCurrentTree(parents=(0, 1), limits_w=(100.0, 40.0)),
    )
    sold = {name: wh for name, (wh, _, _) in outcome(result).items()}
    assert (sold[home], sold[mid], sold[far]) == (75, 15, 10)


def test_an_equal_buyer_behind_a_full_line_gets_what_the_line_carries() -> None:
    result = cleared(
        order("sun", "sell", 60, 100_000, "firm", 0),
        order("near car", "buy", 100, 250_000, bus=0),
        order("far car", "buy", 50, 250_000, bus=1),
    )
    assert {name: wh for name, (wh, _, _) in outcome(result).items()} == {"sun": 60, "near car": 50, "far car": 10}


@given(data=st.data(), count=st.integers(2, 6), rows=st.integers(1, 3))
def test_no_other_split_within_the_limits_is_nearer_to_pro_rata(data: st.DataObject, count: int, rows: int) -> None:
    """Against scipy's SLSQP, with limits that load both ways and two prices."""
    whole = st.integers(1, 500)
    capacity = np.array(data.draw(st.lists(whole, min_size=count, max_size=count)))
    start = np.array([data.draw(st.integers(0, most)) for most in capacity.tolist()], dtype=np.float64)
    family = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    signs = st.lists(st.integers(-4, 4), min_size=count, max_size=count)
    effect = np.array([data.draw(signs) for _ in range(rows)], dtype=np.float64)
    room = np.array([float(data.draw(whole)) for _ in range(rows)])
    found = nearest_to_pro_rata(start, capacity, family, effect=effect, room=room)
    assert (effect @ (found - start) <= room + 1e-9).all()
    assert np.bincount(family, found) == pytest.approx(np.bincount(family, start), abs=1e-6)
    assert ((found >= -1e-3) & (found <= capacity + 1e-3)).all()

    share = (np.bincount(family, start) / np.maximum(1, np.bincount(family, capacity)))[family] * capacity

    def distance(energy: np.ndarray) -> float:
        return float(((energy - share) ** 2 / capacity).sum())

    same_sums = np.array([family == number for number in np.unique(family)], dtype=np.float64)
    best = minimize(
        distance,
        start,
        method="SLSQP",
        bounds=[(0, most) for most in capacity.tolist()],
        constraints=[
            {"type": "ineq", "fun": lambda energy: room - effect @ (energy - start)},
            {"type": "eq", "fun": lambda energy: same_sums @ (energy - start)},
        ],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assume(best.success)
    assert distance(found) <= best.fun + 1e-3 * (1.0 + best.fun)
