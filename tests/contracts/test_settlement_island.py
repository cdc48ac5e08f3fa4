"""An island settles all that was metered, leaves nothing to a supplier, and who drew energy pays for what was lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON, Book, energy, moved, point, settle
from settlement_worlds import World, in_another_order, meters, worlds

from contracts.corrections import congestion_rebate, difference_transfers
from contracts.fields import FieldError, Fields
from contracts.island import IslandTerms, read_island
from contracts.tariff import Tariff
from contracts.transfers import CONGESTION, MARKET, TransferKind, net_positions
from matching.orders import Side

ISLAND = IslandTerms(
    lost_load_micro_per_kwh=5_000_000, balancing_price_micro_per_kwh=250_000, grid_forming_point="M-unit"
)
FREE = Tariff(version="no charges", platform_fee_micro_per_kwh=0, grid_fee_micro_per_kwh=0, levies_micro_per_kwh=0)


@st.composite
def islands(draw: st.DrawFn) -> World:
    """Any book and any meters, the first point being the grid-forming unit's."""
    world = draw(worlds())
    stated = draw(st.integers(0, 50)) * 100_000
    terms = replace(ISLAND, balancing_price_micro_per_kwh=stated, grid_forming_point="M-p0")
    return World(replace(world.cleared, island=terms), world.energies, world.points)


@given(islands())
def test_all_that_was_metered_is_settled_and_money_adds_up_to_zero(world: World) -> None:
    result = settle(world.cleared, world.energies, world.points)
    metered = {each.metering_point: (each.import_wh, each.export_wh) for each in world.energies}
    assert {each.metering_point: (each.bought_wh, each.sold_wh) for each in result.allocations} == metered
    assert all(each.residual_import_wh == each.residual_export_wh == 0 for each in result.allocations)
    net = net_positions(result.transfers)
    assert sum(net.values()) == 0
    assert net.get(MARKET, 0) == 0
    assert all(each.amount_nano > 0 for each in result.transfers)


@given(islands())
def test_a_kept_contract_is_paid_as_agreed_and_the_rest_at_the_stated_prices(world: World) -> None:
    """Worked out here once more, by another way: for each point that was metered with all of its contracts or more."""
    cleared = world.cleared
    price = cleared.clearing_price_micro_per_kwh
    dear = max(cleared.island.balancing_price_micro_per_kwh, price or 0)
    trades = {trade.order_id: trade for trade in cleared.trades}
    result = settle(cleared, world.energies, world.points)
    for each in world.energies:
        is_unit = each.metering_point == "M-p0"
        for side, metered_wh, rest_price in (
            (Side.BUY, each.import_wh, (price or 0) if is_unit else dear),
            (Side.SELL, each.export_wh, dear if is_unit else (price or 0)),
        ):
            own = [o for o in cleared.orders if o.metering_point == each.metering_point and o.side is side]
            agreed = [trades[order.order_id] for order in own]
            rest_wh = metered_wh - sum(trade.accepted_wh for trade in agreed)
            paid = [
                t.amount_nano
                for t in result.transfers
                if t.kind is TransferKind.ENERGY and f"/{each.metering_point}/{side}@" in t.transfer_id
            ]
            if rest_wh >= 0:
                assert sum(paid) == sum(trade.amount_nano for trade in agreed) + rest_wh * rest_price


@given(islands())
def test_who_drew_energy_makes_the_account_whole_in_proportion_to_it(world: World) -> None:
    result = settle(world.cleared, world.energies, world.points)
    drawn_wh = {each.metering_point: each.import_wh for each in result.allocations}
    balance = net_positions(result.transfers).get(CONGESTION, 0)
    shares = congestion_rebate(balance, world.points, interval=NOON, run="D1", tie_seed="seed", drawn_wh=drawn_wh)
    assert net_positions([*result.transfers, *shares]).get(CONGESTION, 0) == 0
    total_wh = sum(drawn_wh.values())
    for share in shares if total_wh else []:
        name = share.transfer_id.split("/")[3]
        assert abs(share.amount_nano - abs(balance) * drawn_wh.get(name, 0) / total_wh) <= 1


@given(islands(), st.randoms())
def test_the_order_of_arrival_does_not_matter_on_an_island(world: World, random) -> None:
    assert settle(*in_another_order(world, random)) == settle(world.cleared, world.energies, world.points)


@given(st.data())
def test_corrected_readings_end_where_a_fresh_settlement_of_the_island_ends(data: st.DataObject) -> None:
    world = data.draw(islands())
    posted = list(settle(world.cleared, world.energies, world.points).transfers)
    fresh = settle(
        world.cleared, data.draw(meters([each.participant for each in world.points])), world.points, run="SF"
    )
    posted += difference_transfers(posted, fresh.transfers, "SF")
    expected = {name: nano for name, nano in net_positions(fresh.transfers).items() if nano}
    assert {name: nano for name, nano in net_positions(posted).items() if nano} == expected


def _evening(**metered: tuple[int, int]):
    """A home buys from a neighbour's battery and the unit; 10 Wh are lost. Metered as (import, export)."""
    book = Book()
    book.buy("home", 500, price=200_000, limit=150_000)
    book.sell("neighbour", 300, price=200_000, limit=180_000, firmness="flexible")
    book.sell("unit", 210, price=200_000, limit=200_000, firmness="flexible")
    cleared = replace(book.cleared(200_000), island=ISLAND)
    energies = [energy(name, *each) for name, each in metered.items()]
    return settle(cleared, energies, [point(name) for name in ("home", "neighbour", "unit")], FREE)


def test_what_a_battery_did_not_deliver_it_pays_as_the_unit_had_to_be_paid() -> None:
    result = _evening(home=(500, 0), neighbour=(0, 200), unit=(0, 310))
    # The unit gets 210 Wh at 20 ct and 100 Wh at 25 ct; the neighbour pays the 5 ct that these cost more.
    assert moved(result, TransferKind.DEVIATION) == [("member:neighbour", CONGESTION, 100 * 50_000)]
    # What is missing then is the 10 Wh that were lost, at the price of the interval.
    assert net_positions(result.transfers)[CONGESTION] == -10 * 200_000


def test_a_unit_that_delivers_less_because_less_was_drawn_owes_nothing() -> None:
    result = _evening(home=(400, 0), neighbour=(0, 300), unit=(0, 109))
    assert moved(result, TransferKind.DEVIATION) == []
    assert net_positions(result.transfers)[CONGESTION] == -9 * 200_000


def test_firm_demand_may_pay_more_than_its_limit_and_nobody_else() -> None:
    book = Book().buy("home", 100, price=200_000, limit=150_000, firmness="flexible")
    cleared = replace(book.cleared(200_000), island=ISLAND)
    with pytest.raises(ValueError, match="beyond its limit"):
        settle(cleared, [energy("home", 100)], [point("home")])
    dear = Book().buy("home", 100, price=5_000_100, limit=150_000)
    with pytest.raises(ValueError, match="beyond its limit"):
        settle(replace(dear.cleared(5_000_100), island=ISLAND), [energy("home", 100)], [point("home")])


def test_shed_demand_is_no_generation_that_was_held_back() -> None:
    book = Book().buy("home", 100, curtailed_wh=60).sell("sun", 90, curtailed_wh=50, firmness="curtailable")
    result = settle(
        replace(book.cleared(), island=ISLAND),
        [energy("home", 40), energy("sun", 0, 40)],
        [point("home"), point("sun")],
    )
    assert {each.participant: each.curtailed_wh for each in result.allocations} == {"home": 0, "sun": 50}
    assert moved(result, TransferKind.CONGESTION) == []


def test_terms_of_an_island_are_read_strictly() -> None:
    assert read_island(Fields(ISLAND.to_json(), "island")) == ISLAND
    for wrong in ({"lost_load_micro_per_kwh": 100}, {"grid_forming_point": 3}, {"more": 1}):
        with pytest.raises(FieldError, match=r"island\."):
            read_island(Fields({**ISLAND.to_json(), **wrong}, "island"))
