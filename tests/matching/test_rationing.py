"""Pro rata in whole Wh: by hand, against exact fractions, and at sizes where a product would overflow."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many

from matching.book import IntArray
from matching.rationing import keyed_tie_keys, pro_rata


def shared(quantities: list[int], total: int, seed: str = "seed") -> list[int]:
    ids = np.array([f"o{k}".encode() for k in range(len(quantities))])
    positions: IntArray = np.arange(len(quantities))
    tie_keys = keyed_tie_keys(ids, seed)
    return pro_rata(np.array(quantities, dtype=np.int64), total, positions=positions, tie_keys=tie_keys).tolist()


def test_shares_are_in_proportion() -> None:
    assert shared([100, 200, 300], 300) == [50, 100, 150]


def test_what_is_left_goes_to_the_largest_remainders() -> None:
    # 10/3 of 1, 1, 8 tenths: 1.0, 1.0, 8.0 of 10; of 7: 0.7, 0.7, 5.6 -> 0, 0, 5 and two Wh to the two 0.7
    assert shared([1, 1, 8], 7) == [1, 1, 5]


def test_equal_remainders_are_decided_by_the_key_and_not_by_the_place() -> None:
    winners = {tuple(shared([1, 1, 1, 1], 1, seed)) for seed in "abcdefghijklmnop"}
    assert len(winners) == 4
    assert all(sum(winner) == 1 for winner in winners)


def test_the_tie_key_is_the_published_hash() -> None:
    keys = keyed_tie_keys(np.array([b"o1"]), "seed")(np.array([0]))
    assert keys[0].decode() == "1e4215c94050843ef05de30c4b4d5d77"  # pragma: allowlist secret


@given(
    quantities=st.lists(st.integers(0, 10**8), min_size=1, max_size=8),
    share=st.fractions(min_value=0, max_value=1),
)
@many()
def test_shares_equal_exact_fractions(quantities: list[int], share: Fraction) -> None:
    total = int(share * sum(quantities))
    result = shared(quantities, total)
    assert sum(result) == total
    for quantity, got in zip(quantities, result, strict=True):
        exact = Fraction(quantity * total, sum(quantities)) if total else Fraction(0)
        assert exact - 1 < got < exact + 1
        assert got <= quantity


@pytest.mark.parametrize("count", [10**5])
def test_long_division_is_exact_where_a_product_overflows(count: int) -> None:
    quantity = 10**8 - 1
    total = quantity * count - 7
    assert quantity * total > 2**63
    result = shared([quantity] * count, total)
    assert sum(result) == total
    assert set(result) == {quantity, quantity - 1}
