"""Islands for tests: rules, and random books in which firm demand, other demand and offers are scarce or plenty."""

from hypothesis import strategies as st
from market_cases import DirectCurrentTree, order

from matching.clearing import MarketRules
from matching.island.rules import Island
from matching.orders import Order

LOST = 1000
"""Value of lost load in books whose other prices are at most 600."""


def island_rules(lost_load: int = LOST, *, bus: int | None = None, k: float = 0.5) -> MarketRules:
    """Rules of an island; on a network if there is a grid-forming bus."""
    return MarketRules(
        tie_seed="a test",
        k=k,
        losses="grid" if bus is None else "market",
        island=Island(lost_load_micro_per_kwh=lost_load, grid_forming_bus=bus),
    )


@st.composite
def island_orders(draw: st.DrawFn, *, most: int = 8, energy_wh: int = 9, buses: int = 0) -> tuple[Order, ...]:
    """Few prices and many ties; at up to `buses` buses of a network."""
    return tuple(
        order(
            f"o{number}",
            draw(st.sampled_from(("buy", "sell"))),
            draw(st.integers(0, energy_wh)),
            100 * draw(st.integers(0, 6)),
            draw(st.sampled_from(("firm", "firm", "curtailable", "flexible"))),
            bus=draw(st.integers(0, buses - 1)) if buses else None,
            participant=f"p{draw(st.integers(0, 4))}",
        )
        for number in range(draw(st.integers(0, most)))
    )


@st.composite
def trees(draw: st.DrawFn) -> DirectCurrentTree:
    """One to two lossless lines that carry 1 to 4 Wh in a quarter-hour."""
    parents = draw(st.sampled_from(((0,), (0, 0), (0, 1))))
    return DirectCurrentTree(parents=parents, limits_w=tuple(4.0 * draw(st.integers(1, 4)) for _ in parents))
