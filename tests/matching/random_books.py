"""Books for property tests: small and dense with ties, or with the largest numbers that an order may have."""

from hypothesis import strategies as st

from matching.clearing import MarketRules
from matching.orders import Firmness, Order, Side
from matching.validation import LIMIT_MAX_MICRO_PER_KWH, QUANTITY_MAX_WH

Orders = tuple[Order, ...]
Outside = tuple[int, int] | None

SEED = "a test"
SIDES = st.sampled_from(Side)
PRICES = st.integers(-2, 6).map(lambda ticks: ticks * 100)
FEW_WH = st.integers(0, 9)
OUTSIDE = st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: (100 * p[0], 100 * (p[0] + p[1])))
EXTREME_PRICES = st.sampled_from([sign * price for sign in (-1, 1) for price in (LIMIT_MAX_MICRO_PER_KWH, 100, 0)])
EXTREME_ENERGIES = st.sampled_from([0, 1, 2, QUANTITY_MAX_WH - 1, QUANTITY_MAX_WH])
EXTREME_OUTSIDE = st.none() | st.just((-LIMIT_MAX_MICRO_PER_KWH, LIMIT_MAX_MICRO_PER_KWH)) | st.just((0, 0))


def books(
    most: int,
    energies: st.SearchStrategy[int],
    *,
    prices: st.SearchStrategy[int] = PRICES,
    sides: st.SearchStrategy[Side] = SIDES,
) -> st.SearchStrategy[Orders]:
    """Up to `most` orders, on few prices unless said otherwise."""
    one = st.tuples(sides, energies, prices, st.sampled_from(Firmness))
    return st.lists(one, max_size=most).map(lambda rows: tuple(_order(k, *row) for k, row in enumerate(rows)))


def extreme_books() -> st.SearchStrategy[Orders]:
    """The smallest and largest energies at the smallest and largest prices."""
    return books(12, EXTREME_ENERGIES, prices=EXTREME_PRICES)


def rules_with(outside: Outside) -> MarketRules:
    """The double auction, with the supplier as a bidder where there are outside prices."""
    if outside is None:
        return MarketRules(tie_seed=SEED)
    return MarketRules(
        tie_seed=SEED,
        supplier_price_micro_per_kwh=outside[1],
        feed_in_price_micro_per_kwh=outside[0],
        supplier_bids=True,
    )


def _order(number: int, side: Side, quantity_wh: int, limit: int, firmness: Firmness) -> Order:
    return Order(
        order_id=f"o{number}",
        participant=f"p{number % 3}",
        metering_point=f"m{number}",
        side=side,
        quantity_wh=quantity_wh,
        limit_micro_per_kwh=limit,
        firmness=firmness,
    )
