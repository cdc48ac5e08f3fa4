"""Who shares how much with whom."""

import pytest
from settlement_cases import PRICE, Book, F, R, energy, point, settle, shared

from contracts.allocation import ClearedInterval
from matching.orders import Side
from meters.interval import DeliveryInterval, IntervalEnergy

PAIR = [point("anna"), point("ben")]


def test_a_contract_is_matched_up_to_what_was_metered() -> None:
    cleared = Book().buy("anna", 500, limit=R).sell("ben", 500).cleared()
    result = settle(cleared, [energy("anna", 400), energy("ben", 0, 700)], PAIR)
    assert shared(result) == {"anna": (400, 0), "ben": (0, 400)}
    assert [(each.residual_import_wh, each.residual_export_wh) for each in result.allocations] == [(0, 0), (0, 300)]


def test_the_long_side_is_rationed_pro_rata_with_the_largest_remainder() -> None:
    points = [point(name) for name in ("anna", "ben", "cem", "dora")]
    book = Book().buy("anna", 300).buy("ben", 200).buy("cem", 100).sell("dora", 600)
    energies = [energy("anna", 300), energy("ben", 200), energy("cem", 100), energy("dora", 0, 100)]
    # 100 Wh over 300 : 200 : 100 = 50, 33 1/3, 16 2/3; the missing Wh goes to the remainder 2/3.
    assert shared(settle(book.cleared(), energies, points)) == {
        "anna": (50, 0),
        "ben": (33, 0),
        "cem": (17, 0),
        "dora": (0, 100),
    }


def test_equal_remainders_are_decided_by_the_seed_and_not_by_the_order_of_arrival() -> None:
    points = [point(name) for name in ("anna", "ben", "dora")]
    energies = [energy("anna", 100), energy("ben", 100), energy("dora", 0, 101)]
    forth = Book().buy("anna", 100).buy("ben", 100).sell("dora", 200).cleared()
    back = ClearedInterval(
        interval=forth.interval,
        orders=forth.orders[::-1],
        trades=forth.trades[::-1],
        clearing_price_micro_per_kwh=PRICE,
    )
    first = settle(forth, energies, points)
    assert settle(back, energies[::-1], points[::-1]) == first
    assert sorted(bought for bought, _ in shared(first).values()) == [0, 50, 51]


def test_leftovers_are_pooled_among_members_whose_limits_accept_the_price() -> None:
    points = [point("anna"), point("ben"), point("cem", buy_at_most_micro_per_kwh=PRICE - 100), point("dora")]
    energies = [energy("anna", 300), energy("ben", 100), energy("cem", 400), energy("dora", 0, 200)]
    result = settle(Book().cleared(), energies, points)
    assert shared(result) == {"anna": (150, 0), "ben": (50, 0), "cem": (0, 0), "dora": (0, 200)}


def test_energy_nobody_speaks_for_stays_out_of_the_pool() -> None:
    silent = [point("anna", buy_at_most_micro_per_kwh=None), point("ben")]
    result = settle(Book().cleared(), [energy("anna", 300), energy("ben", 0, 300)], silent)
    assert shared(result) == {"anna": (0, 0), "ben": (0, 0)}


def test_without_a_clearing_price_nothing_is_pooled() -> None:
    result = settle(Book().cleared(price=None), [energy("anna", 300), energy("ben", 0, 300)], PAIR)
    assert shared(result) == {"anna": (0, 0), "ben": (0, 0)}
    assert not result.transfers


def test_the_pool_holds_a_point_to_the_least_generous_of_its_orders() -> None:
    book = Book().buy("anna", 100).buy("anna", 200, accepted_wh=0, limit=PRICE - 1000).sell("ben", 100)
    result = settle(book.cleared(), [energy("anna", 300), energy("ben", 0, 300)], PAIR)
    assert shared(result) == {"anna": (100, 0), "ben": (0, 100)}


def test_one_meter_fills_flexible_contracts_first_and_then_the_best_price_for_the_community() -> None:
    points = [point("anna"), point("ben")]
    book = Book().buy("anna", 100).buy("anna", 100, firmness="flexible", price=PRICE - 10_000)
    book = book.buy("anna", 100, firmness="flexible", price=PRICE + 10_000).sell("ben", 300)
    result = settle(book.cleared(), [energy("anna", 150), energy("ben", 0, 300)], points)
    bought = {
        each.price_micro_per_kwh: each.energy_wh for each in result.transfers if each.transfer_id.count("/M-anna/buy@")
    }
    assert bought == {PRICE + 10_000: 100, PRICE - 10_000: 50}


def test_a_point_without_energy_is_left_out_and_named_never_taken_for_zero() -> None:
    cleared = Book().buy("anna", 500).sell("ben", 500).cleared()
    result = settle(cleared, [energy("ben", 0, 500)], PAIR)
    assert result.missing == ("M-anna",)
    assert shared(result) == {"ben": (0, 0)}


def test_curtailed_energy_is_shown_with_the_point() -> None:
    book = Book().sell("ben", 500, firmness="curtailable", curtailed_wh=120)
    result = settle(book.cleared(), [energy("anna"), energy("ben", 0, 380)], PAIR)
    assert [each.curtailed_wh for each in result.allocations] == [0, 120]


def test_energy_of_another_interval_or_point_or_given_twice_is_refused() -> None:
    later = IntervalEnergy(
        metering_point="M-anna", interval=DeliveryInterval.at(1_464_783_300), import_wh=1, export_wh=0
    )
    for energies in ([later], [energy("nobody", 1)], [energy("anna", 1), energy("anna", 1)]):
        with pytest.raises(ValueError, match="other interval, unknown or twice"):
            settle(Book().cleared(), energies, PAIR)


def test_orders_and_trades_must_belong_together() -> None:
    cleared = Book().buy("anna", 500).cleared()
    for trades in ([], list(cleared.trades) * 2):
        broken = ClearedInterval(
            interval=cleared.interval, orders=cleared.orders, trades=trades, clearing_price_micro_per_kwh=PRICE
        )
        with pytest.raises(ValueError, match="exactly one trade"):
            settle(broken, [], PAIR)


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        (Book().buy("anna", 500, accepted_wh=501), "exceed its quantity"),
        (Book().buy("anna", 500, price=R + 1), "beyond its limit"),
        (Book().sell("ben", 500, price=F - 1), "beyond its limit"),
        (Book().sell("eve", 500), "does not own"),
    ],
)
def test_a_trade_that_breaks_its_order_is_refused(book: Book, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        settle(book.cleared(), [], PAIR)


def test_both_sides_always_share_the_same_energy() -> None:
    book = Book().buy("anna", 500).sell("ben", 300)
    result = settle(book.cleared(), [energy("anna", 500), energy("ben", 40, 200)], PAIR)
    total = dict.fromkeys(Side, 0)
    for each in result.allocations:
        total[Side.BUY] += each.bought_wh
        total[Side.SELL] += each.sold_wh
    assert total[Side.BUY] == total[Side.SELL] == 200
