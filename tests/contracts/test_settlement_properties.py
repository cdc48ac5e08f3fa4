"""What must hold for every community, auction and meter."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON, settle
from settlement_worlds import World, in_another_order, meters, worlds

from contracts.corrections import difference_transfers
from contracts.shares import share_out
from contracts.transfers import MARKET, Transfer, TransferKind, net_positions
from matching.orders import Firmness
from meters.interval import IntervalEnergy


@given(worlds())
def test_energy_and_money_are_conserved_and_nobody_shares_more_than_was_metered(world: World) -> None:
    result = settle(world.cleared, world.energies, world.points)
    metered = {each.metering_point: each for each in world.energies}
    assert {each.metering_point for each in result.allocations} == set(metered)
    for each in result.allocations:
        energy_of_point = metered[each.metering_point]
        assert (each.import_wh, each.export_wh) == (energy_of_point.import_wh, energy_of_point.export_wh)
        assert min(each.bought_wh, each.sold_wh, each.residual_import_wh, each.residual_export_wh) >= 0
    assert sum(each.bought_wh for each in result.allocations) == sum(each.sold_wh for each in result.allocations)
    net = net_positions(result.transfers)
    assert sum(net.values()) == 0
    assert net.get(MARKET, 0) == 0
    assert all(each.amount_nano > 0 for each in result.transfers)


@given(worlds())
def test_nobody_pays_more_or_gets_less_than_an_own_limit_for_contracted_energy(world: World) -> None:
    result = settle(world.cleared, world.energies, world.points)
    for each in result.transfers:
        if each.kind is not TransferKind.ENERGY or ("buy@" not in each.transfer_id and "sell@" not in each.transfer_id):
            continue
        _, _, _, subject, part = each.transfer_id.split("/")
        side, price = part.split("@")
        own = [o for o in world.cleared.orders if o.metering_point == subject and o.side == side]
        limits = [order.limit_micro_per_kwh for order in own]
        terms = next(terms for terms in world.points if terms.metering_point == subject)
        standing = terms.buy_at_most_micro_per_kwh if side == "buy" else terms.sell_at_least_micro_per_kwh
        limits += [standing] if not own and standing is not None else []
        assert any(int(price) <= limit if side == "buy" else int(price) >= limit for limit in limits)


@given(worlds(), st.randoms())
def test_the_order_of_arrival_does_not_matter(world: World, random) -> None:
    assert settle(*in_another_order(world, random)) == settle(world.cleared, world.energies, world.points)


@given(st.data())
def test_posted_differences_give_what_a_fresh_settlement_gives(data: st.DataObject) -> None:
    world = data.draw(worlds())
    names = [terms.participant for terms in world.points]
    posted = list(settle(world.cleared, world.energies, world.points).transfers)
    for run in ("SF", "R1"):
        fresh = settle(world.cleared, data.draw(meters(names)), world.points, run=run)
        posted += difference_transfers(posted, fresh.transfers, run)
        expected = {name: nano for name, nano in net_positions(fresh.transfers).items() if nano}
        assert {name: nano for name, nano in net_positions(posted).items() if nano} == expected
        assert difference_transfers(posted, fresh.transfers, f"{run} again") == ()


@given(st.data())
def test_a_late_reading_moves_money_of_its_own_interval_alone_and_a_run_again_moves_none(data: st.DataObject) -> None:
    world, later = data.draw(worlds()), NOON.shifted(1)
    names = [terms.participant for terms in world.points]
    afterwards = replace(world.cleared, interval=later)
    other = [replace(each, interval=later) for each in data.draw(meters(names))]

    def both(energies: list[IntervalEnergy], run: str) -> list[Transfer]:
        first = settle(world.cleared, energies, world.points, run=run)
        return [*first.transfers, *settle(afterwards, other, world.points, run=run).transfers]

    posted, fresh = both(world.energies, "D1"), both(data.draw(meters(names)), "SF")
    differences = difference_transfers(posted, fresh, "SF")
    assert {each.interval for each in differences} <= {NOON}
    assert difference_transfers([*posted, *differences], fresh, "SF.2") == ()
    moved = net_positions(differences)
    before, after = net_positions(posted), net_positions(fresh)
    assert {name: before.get(name, 0) + moved.get(name, 0) for name in before | moved | after} == {
        name: after.get(name, 0) for name in before | moved | after
    }


@given(worlds())
def test_only_flexible_points_pay_deviation_and_never_above_their_cap(world: World) -> None:
    result = settle(world.cleared, world.energies, world.points)
    trades = {trade.order_id: trade for trade in world.cleared.trades}
    for each in result.transfers:
        if each.kind is not TransferKind.DEVIATION or not each.transfer_id.endswith("/caused"):
            continue
        terms = next(terms for terms in world.points if f"/{terms.metering_point}/" in each.transfer_id)
        flexible = [
            order
            for order in world.cleared.orders
            if order.metering_point == terms.metering_point and order.firmness is Firmness.FLEXIBLE
        ]
        contracted_wh = sum(trades[order.order_id].accepted_wh for order in flexible)
        spread = terms.supplier_price_micro_per_kwh - terms.feed_in_price_micro_per_kwh
        assert each.amount_nano <= contracted_wh * spread


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(sum), st.randoms())
def test_shares_add_up_stay_within_one_of_proportional_and_follow_their_keys(total, weights, random) -> None:
    keys = [f"k{i}" for i in range(len(weights))]
    shares = share_out(total, weights, keys, seed="seed")
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)
    order = list(range(len(weights)))
    random.shuffle(order)
    again = share_out(total, [weights[i] for i in order], [keys[i] for i in order], seed="seed")
    assert [shares[i] for i in order] == again


def test_the_interval_of_the_cases_is_a_noon() -> None:
    assert NOON.start.isoformat() == "2016-06-01T12:00:00+00:00"
