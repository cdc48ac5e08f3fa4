"""Any small community with its auction and meters, for property tests."""

from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st
from settlement_cases import Book, energy, point

from contracts.allocation import ClearedInterval, PointTerms
from matching.orders import Side
from meters.interval import IntervalEnergy

PRICES = st.integers(0, 300).map(lambda hundreds: hundreds * 1_000)


@dataclass(frozen=True)
class World:
    cleared: ClearedInterval
    energies: list[IntervalEnergy]
    points: list[PointTerms]


def in_another_order(world: World, random: Random) -> tuple[ClearedInterval, list[IntervalEnergy], list[PointTerms]]:
    """The same orders, trades, readings and points, each list shuffled."""
    orders, trades, energies, points = (
        random.sample(list(things), len(things))
        for things in (world.cleared.orders, world.cleared.trades, world.energies, world.points)
    )
    return replace(world.cleared, orders=orders, trades=trades), energies, points


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any book whose trades keep the limits of their orders, and any meters; some readings are missing."""
    names = [f"p{i}" for i in range(draw(st.integers(1, 7)))]
    price = draw(st.none() | PRICES)
    book = Book()
    for name in names:
        for _ in range(draw(st.integers(0, 3))):
            side = draw(st.sampled_from(Side))
            firmness = draw(st.sampled_from(["firm", "flexible", "curtailable"]))
            quantity_wh = draw(st.integers(0, 900))
            accepted_wh = draw(st.integers(0, quantity_wh)) if price is not None else 0
            own_price = draw(PRICES) if firmness == "flexible" else price or 0
            slack = draw(st.integers(0, 50)) * 1_000
            place = book.buy if side is Side.BUY else book.sell
            place(
                name,
                quantity_wh,
                accepted_wh=accepted_wh,
                curtailed_wh=draw(st.integers(0, quantity_wh - accepted_wh)) if firmness == "curtailable" else 0,
                price=own_price,
                limit=own_price + slack if side is Side.BUY else own_price - slack,
                firmness=firmness,
            )
    points = [
        point(
            name,
            supplier_price_micro_per_kwh=draw(PRICES),
            feed_in_price_micro_per_kwh=draw(PRICES),
            vat_class=draw(st.sampled_from(["private", "business", "exempt"])),
            buy_at_most_micro_per_kwh=draw(st.none() | PRICES),
            sell_at_least_micro_per_kwh=draw(st.none() | PRICES),
        )
        for name in names
    ]
    return World(book.cleared(price), draw(meters(names)), points)


@st.composite
def meters(draw: st.DrawFn, names: list[str]) -> list[IntervalEnergy]:
    present = [name for name in names if draw(st.integers(0, 9))]
    return [energy(name, draw(st.integers(0, 900)), draw(st.integers(0, 900))) for name in present]
