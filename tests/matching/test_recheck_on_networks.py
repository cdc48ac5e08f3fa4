"""Whatever the engine clears on an AC network, fresh power flows and the other checks find nothing wrong with it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandapower
import pytest
from attribute_cases import ZONES
from feeder_cases import two_homes
from hypothesis import assume, currently_in_test_context, event, given, settings
from hypothesis import strategies as st
from market_cases import order
from recheck_cases import SOMEWHERE, wrong_on_network

from grid.network import GridNetwork, open_network
from matching.auction import LossesNotCovered
from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.mechanisms import MECHANISMS
from matching.orders import Order, Side
from matching.preferences.attributes import OrderAttributes, Source, parse_premiums
from matching.preferences.fees import GridFees
from matching.recheck.power_flow import RecordedNetwork
from matching.result import Status

TRIED = settings(max_examples=max(40, settings().max_examples))
LIMITS = ((0.9, 1.1, 100.0), (0.97, 1.03, 60.0), (0.95, 1.05, 20.0))  # v_min_pu, v_max_pu, max_loading_percent
REFUSING = sorted(name for name, mechanism in MECHANISMS.items() if not mechanism.properties.optimal)
SUPPLIED = {"supplier_price_micro_per_kwh": 320_000, "feed_in_price_micro_per_kwh": 80_000}


@dataclass(frozen=True, kw_only=True)
class Street:
    """Two homes on long cables, with limits, as the engine and as a checker opens it."""

    grid: GridNetwork
    recorded: RecordedNetwork
    network: dict[str, object]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Street, ...]:
    path = two_homes(tmp_path_factory.mktemp("street") / "feeder.json")
    recorded = RecordedNetwork(pandapower.from_json(str(path), convert=False))
    return tuple(_street(path, recorded, *limits) for limits in LIMITS)


def _street(path: Path, recorded: RecordedNetwork, v_min: float, v_max: float, loading: float) -> Street:
    limits = {"v_min_pu": v_min, "v_max_pu": v_max, "max_loading_percent": loading}
    return Street(grid=open_network(str(path), **limits), recorded=recorded, network={**SOMEWHERE, **limits})


@st.composite
def books(draw: st.DrawFn) -> list[Order]:
    """Up to 24 kW an order on cables for 40 to 60: some of it fits, some does not; few prices, so that ties occur."""
    return [
        order(
            f"o{number}",
            draw(st.sampled_from(("buy", "sell"))),
            draw(st.integers(0, 6)) * draw(st.sampled_from((1, 500, 997))),
            20_000 * draw(st.integers(3, 17)),
            draw(st.sampled_from(("firm", "curtailable", "flexible", "flexible"))),
            bus=draw(st.integers(1, 3)),
            participant=f"p{draw(st.integers(0, 4))}",
        )
        for number in range(draw(st.integers(4, 12)))
    ]


@st.composite
def rules(draw: st.DrawFn, *, mechanism: str = "k_double_auction", losses: str = "grid") -> MarketRules:
    known = draw(st.booleans()) or losses == "market" or mechanism != "k_double_auction"
    return MarketRules(
        tie_seed=draw(st.text(max_size=2)),
        mechanism=mechanism,
        losses=losses,
        k=draw(st.sampled_from((0.5, 0.0, 1.0))),
        supplier_bids=known and draw(st.booleans()),
        thin_book_price=known and mechanism == "k_double_auction" and draw(st.booleans()),
        **(SUPPLIED if known else {}),
    )


@st.composite
def books_with_premiums(draw: st.DrawFn) -> list[Order]:
    """The same with sun, batteries, two zones and buyers who pay more for some of it."""
    placed = []
    for each in draw(books()):
        zone, paid = draw(st.sampled_from(ZONES)), 10_000 * draw(st.integers(0, 4))
        said = OrderAttributes(zone=zone, source=draw(st.sampled_from(Source)))
        if each.side is Side.BUY:
            wanted = draw(st.sampled_from(("solar", "storage", "member:p1")))
            said = OrderAttributes(zone=zone, premiums=parse_premiums(f"{wanted}:{paid}"))
        placed.append(replace(each, attributes=said))
    return placed


def check(street: Street, placed: list[Order], chosen: MarketRules, baseline_wh: int) -> None:
    baseline_w = np.zeros(len(street.grid.buses))
    baseline_w[-1] = baseline_wh * 4.0
    try:
        clearing = clear(
            OrderBook.from_orders(placed),
            interval_minutes=15,
            rules=chosen,
            limits=street.grid,
            baseline_w=baseline_w,
        )
    except LossesNotCovered:
        assume(False)
    if currently_in_test_context():
        event(f"{clearing.status.value}, rows: {len(clearing.certificate.rows)}")
    assert wrong_on_network(clearing, street.network, street.recorded, baseline_w=baseline_w) == {}


limits = st.integers(0, len(LIMITS) - 1)
baselines = st.sampled_from((0, 1_500, -2_000))


@given(at=limits, placed=books(), chosen=rules(), baseline_wh=baselines)
@TRIED
def test_an_auction_on_a_stressed_street_passes_every_check(
    streets: tuple[Street, ...], at: int, placed: list[Order], chosen: MarketRules, baseline_wh: int
) -> None:
    check(streets[at], placed, chosen, baseline_wh)


@given(
    at=limits, placed=books_with_premiums(), chosen=rules(), fee=st.none() | st.integers(0, 3), baseline_wh=baselines
)
@TRIED
def test_premiums_and_fees_on_a_stressed_street_pass_every_check(
    streets: tuple[Street, ...], at: int, placed: list[Order], chosen: MarketRules, fee: int | None, baseline_wh: int
) -> None:
    fees = None
    if fee is not None:
        fees = GridFees.of({(start, end): 10_000 * fee * (start != end) for start in ZONES for end in ZONES})
    check(streets[at], placed, replace(chosen, grid_fees=fees), baseline_wh)


@given(at=limits, placed=books(), chosen=rules(losses="market"), baseline_wh=baselines)
@TRIED
def test_an_auction_that_buys_the_losses_passes_every_check(
    streets: tuple[Street, ...], at: int, placed: list[Order], chosen: MarketRules, baseline_wh: int
) -> None:
    check(streets[at], placed, chosen, baseline_wh)


@given(at=limits, placed=books(), data=st.data(), baseline_wh=baselines)
@TRIED
def test_every_other_mechanism_on_a_stressed_street_passes_every_check(
    streets: tuple[Street, ...], at: int, placed: list[Order], data: st.DataObject, baseline_wh: int
) -> None:
    chosen = data.draw(rules(mechanism=data.draw(st.sampled_from(REFUSING))))
    check(streets[at], placed, chosen, baseline_wh)


def test_the_row_that_sets_a_price_is_made_at_the_result(streets: tuple[Street, ...]) -> None:
    """The first round's row, made far from here, leads to a result within the limits too: it must not be the proof."""
    placed = [
        order("o0", "buy", 997, 60_000, "firm", bus=2),
        order("o1", "sell", 2_500, 240_000, "flexible", bus=2),
        order("o3", "sell", 2_991, 60_000, "flexible", bus=1),
        order("o6", "buy", 3_988, 60_000, "firm", bus=2),
        order("o7", "sell", 4_985, 320_000, "firm", bus=1),
    ]
    check(streets[2], placed, MarketRules(tie_seed=""), 0)


def test_with_losses_bought_too_the_row_that_sets_a_price_is_made_at_the_result(streets: tuple[Street, ...]) -> None:
    placed = [
        order("o0", "sell", 500, 60_000, "firm", bus=3),
        order("o1", "sell", 1_500, 240_000, "flexible", bus=3),
        order("o7", "buy", 1_500, 260_000, "firm", bus=1),
    ]
    check(streets[2], placed, MarketRules(tie_seed="", losses="market", **SUPPLIED), 1_500)


def test_where_nobody_could_sell_what_would_be_lost_the_interval_is_red(streets: tuple[Street, ...]) -> None:
    """At first all of 9 kWh is drawn at the far end, which would lose 4.5 kWh; one kWh is offered."""
    placed = [
        order("o1", "buy", 3_000, 60_000, "firm", bus=3),
        order("o2", "buy", 5_982, 60_000, "firm", bus=3),
        order("o4", "sell", 1_000, 60_000, "firm", bus=1),
        order("o6", "buy", 1_500, 60_000, "curtailable", bus=3),
    ]
    chosen = MarketRules(tie_seed="", losses="market", thin_book_price=False, **SUPPLIED)
    cleared = clear(OrderBook.from_orders(placed), interval_minutes=15, rules=chosen, limits=streets[0].grid)
    assert cleared.status is Status.RED
    check(streets[0], placed, chosen, 0)


def test_where_curtailing_costs_nothing_no_more_is_curtailed_than_the_limits_ask(streets: tuple[Street, ...]) -> None:
    """Nobody buys and nobody pays for what is fed in, so the welfare is zero however much of the sun is cut off."""
    placed = [
        order(f"o{quantity_wh}", "sell", quantity_wh, 60_000, "curtailable", bus=3) for quantity_wh in (4_985, 3_988)
    ]
    clearing = clear(
        OrderBook.from_orders(placed), interval_minutes=15, rules=MarketRules(tie_seed=""), limits=streets[1].grid
    )
    (binding,) = clearing.binding
    assert binding.value == pytest.approx(binding.limit, rel=1e-4)
    assert 0 < clearing.curtailed_wh.sum() < 8_000
    check(streets[1], placed, MarketRules(tie_seed=""), 0)


def test_energy_left_out_without_need_is_noticed(streets: tuple[Street, ...]) -> None:
    """A battery that the street could have carried, passed over under the cover of an amber light."""
    placed = [
        order("bat", "sell", 100, 80_000, "flexible", bus=2),
        order("s", "sell", 50, 80_000, "firm", bus=2),
        order("b", "buy", 150, 320_000, "firm", bus=3),
    ]
    chosen = MarketRules(tie_seed="", mechanism="fixed_price", community_price_micro_per_kwh=200_000)
    street, nothing = streets[0], np.zeros(len(streets[0].grid.buses))

    def cleared(*orders: Order) -> Clearing:
        return clear(OrderBook.from_orders(orders), interval_minutes=15, rules=chosen, limits=street.grid)

    whole, without = cleared(*placed), cleared(*placed[1:])
    accepted, amount = (np.array([0, *column]) for column in (without.accepted_wh, without.amount_nano))
    cheated = replace(
        whole,
        status=Status.AMBER,
        accepted_wh=accepted,
        amount_nano=amount,
        price_micro_per_kwh=200_000 * (accepted > 0),
    )
    assert wrong_on_network(whole, street.network, street.recorded, baseline_w=nothing) == {}
    wrong = wrong_on_network(cheated, street.network, street.recorded, baseline_w=nothing)
    assert wrong["refusal"] == ("amber, but all that fixed_price makes of the book keeps every limit",)
