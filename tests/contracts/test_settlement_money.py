"""What the sharing costs and earns, transfer by transfer."""

import pytest
from settlement_cases import PRICE, TARIFF, Book, F, R, energy, moved, point, settle

from contracts.tariff import Tariff, TariffError
from contracts.transfers import (
    CONGESTION,
    GRID_FEE,
    LEVIES,
    MARKET,
    PLATFORM_FEE,
    VAT,
    TransferKind,
    business_key,
    member_account,
    net_positions,
)

ANNA, BEN, CEM = member_account("anna"), member_account("ben"), member_account("cem")
PAIR = [point("anna"), point("ben")]


def test_energy_goes_through_the_market_account_at_the_clearing_price() -> None:
    result = settle(
        Book().buy("anna", 500).sell("ben", 500).cleared(), [energy("anna", 500), energy("ben", 0, 500)], PAIR
    )
    assert moved(result, TransferKind.ENERGY) == [(ANNA, MARKET, 60_000_000), (MARKET, BEN, 60_000_000)]


def test_the_buyer_pays_each_charge_on_its_own_and_vat_is_floored_to_the_nano_unit() -> None:
    result = settle(
        Book().buy("anna", 7).sell("ben", 7).cleared(price=100_001), [energy("anna", 7), energy("ben", 0, 7)], PAIR
    )
    # By hand, 7 Wh bought at 0.12: energy 7 x 120000, platform 7 x 5000, grid 7 x 75000 x 43 %, levies 7 x 15000.
    assert moved(result, TransferKind.PLATFORM_FEE) == [(ANNA, PLATFORM_FEE, 35_000)]
    assert moved(result, TransferKind.GRID_FEE) == [(ANNA, GRID_FEE, 225_750)]
    assert moved(result, TransferKind.LEVIES) == [(ANNA, LEVIES, 105_000)]
    assert moved(result, TransferKind.VAT) == [(ANNA, VAT, (840_000 + 35_000 + 225_750 + 105_000) // 5)]


def test_a_fraction_of_a_nano_unit_of_vat_is_not_charged() -> None:
    odd = Tariff(version="odd", platform_fee_micro_per_kwh=1, grid_fee_micro_per_kwh=0, levies_micro_per_kwh=0)
    book = Book().buy("anna", 1, price=100_001).sell("ben", 1, price=100_001)
    result = settle(book.cleared(price=100_001), [energy("anna", 1), energy("ben", 0, 1)], PAIR, tariff=odd)
    assert moved(result, TransferKind.VAT) == [(ANNA, VAT, 20_000)]  # 100002 x 200 / 1000 = 20000.4


def test_a_seller_who_is_liable_to_vat_is_paid_it_on_top_and_a_small_producer_is_not() -> None:
    book = Book().buy("anna", 500).sell("ben", 250).sell("cem", 250)
    points = [*PAIR, point("cem", vat_class="business")]
    result = settle(book.cleared(), [energy("anna", 500), energy("ben", 0, 250), energy("cem", 0, 250)], points)
    assert [each for each in moved(result, TransferKind.VAT) if each[0] == VAT] == [(VAT, CEM, 6_000_000)]


def test_a_negative_price_turns_the_payment_round() -> None:
    book = Book().buy("anna", 500, price=-10_000).sell("ben", 500, price=-10_000, limit=-20_000)
    result = settle(book.cleared(price=-10_000), [energy("anna", 500), energy("ben", 0, 500)], PAIR)
    assert moved(result, TransferKind.ENERGY) == [(MARKET, ANNA, 5_000_000), (BEN, MARKET, 5_000_000)]


@pytest.mark.parametrize(
    ("flexible_price", "expected"),
    [(PRICE - 20_000, (CONGESTION, MARKET, 10_000_000)), (PRICE + 20_000, (MARKET, CONGESTION, 10_000_000))],
)
def test_the_congestion_account_takes_what_was_paid_more_than_received_and_gives_what_is_missing(
    flexible_price: int, expected: tuple[str, str, int]
) -> None:
    book = Book().buy("anna", 500, firmness="flexible", price=flexible_price).sell("ben", 500)
    result = settle(book.cleared(), [energy("anna", 500), energy("ben", 0, 500)], PAIR)
    assert moved(result, TransferKind.CONGESTION) == [expected]
    assert net_positions(result.transfers).get(MARKET, 0) == 0


def test_a_flexible_seller_who_delivers_less_pays_what_the_buyers_lost() -> None:
    book = Book().buy("anna", 500).sell("ben", 500, firmness="flexible")
    result = settle(book.cleared(), [energy("anna", 500), energy("ben", 0, 200)], PAIR)
    loss_nano = 300 * (R - PRICE)
    assert moved(result, TransferKind.DEVIATION) == [(MARKET, ANNA, loss_nano), (BEN, MARKET, loss_nano)]


def test_a_flexible_buyer_who_takes_less_pays_what_the_sellers_lost() -> None:
    book = Book().buy("anna", 500, firmness="flexible").sell("ben", 500)
    result = settle(book.cleared(), [energy("anna", 200), energy("ben", 0, 500)], PAIR)
    loss_nano = 300 * (PRICE - F)
    assert moved(result, TransferKind.DEVIATION) == [(ANNA, MARKET, loss_nano), (MARKET, BEN, loss_nano)]


@pytest.mark.parametrize("firmness", ["firm", "curtailable"])
def test_nobody_pays_for_the_platforms_own_forecast(firmness: str) -> None:
    book = Book().buy("anna", 500).sell("ben", 500, firmness=firmness)
    result = settle(book.cleared(), [energy("anna", 500), energy("ben", 0, 200)], PAIR)
    assert moved(result, TransferKind.DEVIATION) == []


def test_a_deviation_the_pool_made_good_costs_nothing() -> None:
    book = Book().buy("anna", 500).sell("ben", 500, firmness="flexible")
    energies = [energy("anna", 500), energy("ben", 0, 200), energy("cem", 0, 300)]
    result = settle(book.cleared(), energies, [*PAIR, point("cem")])
    assert moved(result, TransferKind.DEVIATION) == []


def test_the_deviation_price_is_capped_and_may_be_configured_down_to_nothing() -> None:
    book = Book().buy("anna", 500).sell("ben", 500, firmness="flexible")
    energies = [energy("anna", 500), energy("ben", 0, 200)]
    dear = [point("anna", supplier_price_micro_per_kwh=900_000), point("ben")]
    result = settle(book.cleared(), energies, dear)
    assert (BEN, MARKET, 300 * (R - F)) in moved(result, TransferKind.DEVIATION)
    tenth = settle(book.cleared(), energies, dear, tariff=Tariff(version="tenth", deviation_permille=100))
    assert (BEN, MARKET, 300 * (R - F) // 10) in moved(tenth, TransferKind.DEVIATION)
    free = settle(book.cleared(), energies, dear, tariff=Tariff(version="free", deviation_permille=0))
    assert moved(free, TransferKind.DEVIATION) == []


def test_firm_and_flexible_shortfalls_share_the_deficit_and_only_the_flexible_part_is_paid() -> None:
    points = [*PAIR, point("cem")]
    book = Book().buy("anna", 600).sell("ben", 300, firmness="flexible").sell("cem", 300)
    result = settle(book.cleared(), [energy("anna", 600), energy("ben", 0, 200), energy("cem", 0, 100)], points)
    third_nano = 300 * (R - PRICE) // 3
    assert moved(result, TransferKind.DEVIATION) == [(MARKET, ANNA, third_nano), (BEN, MARKET, third_nano)]


def test_a_late_reading_is_not_a_deviation() -> None:
    book = Book().buy("anna", 500).sell("ben", 500, firmness="flexible")
    assert moved(settle(book.cleared(), [energy("anna", 500)], PAIR), TransferKind.DEVIATION) == []


def test_a_deviator_makes_good_what_the_congestion_account_lacks() -> None:
    # Planned: an electric car pays 40 000 more on 500 Wh, a battery gets 20 000 more on 500 Wh. The car stays away.
    points = [*PAIR, point("cem"), point("dora")]
    book = Book().buy("anna", 500, firmness="flexible", price=PRICE + 40_000).buy("cem", 500)
    book = book.sell("ben", 500, firmness="flexible", price=PRICE + 20_000).sell("dora", 500)
    energies = [energy("anna", 0), energy("cem", 500), energy("ben", 0, 500), energy("dora", 0, 500)]
    result = settle(book.cleared(), energies, points)
    sellers_lost_nano = 500 * (PRICE - F)
    account_lacks_nano = 250 * 20_000
    paid = [each for each in moved(result, TransferKind.DEVIATION) if each[0] == ANNA]
    assert paid == [(ANNA, MARKET, sellers_lost_nano + account_lacks_nano)]
    assert (MARKET, CONGESTION, account_lacks_nano) in moved(result, TransferKind.DEVIATION)
    assert net_positions(result.transfers).get(CONGESTION, 0) == 0


def test_a_curtailed_home_is_paid_what_it_lost_against_an_equally_limited_day_with_suppliers_only() -> None:
    book = Book().sell("ben", 500, firmness="curtailable", accepted_wh=100, curtailed_wh=200).buy("anna", 100)
    energies = [energy("anna", 100), energy("ben", 0, 300)]
    result = settle(book.cleared(ben=50), energies, PAIR)
    expected = F * (200 - 50) - 100 * (PRICE - F)
    assert moved(result, TransferKind.CONGESTION) == [(CONGESTION, BEN, expected)]


def test_a_home_that_the_market_curtailed_less_or_that_gained_more_is_not_paid() -> None:
    book = Book().sell("ben", 500, firmness="curtailable", accepted_wh=100, curtailed_wh=200).buy("anna", 100)
    energies = [energy("anna", 100), energy("ben", 0, 300)]
    assert moved(settle(book.cleared(ben=200), energies, PAIR), TransferKind.CONGESTION) == []
    assert moved(settle(book.cleared(ben=110), energies, PAIR), TransferKind.CONGESTION) == []


def test_a_vat_class_the_tariff_does_not_know_is_refused() -> None:
    cleared = Book().buy("anna", 5).sell("ben", 5).cleared()
    with pytest.raises(TariffError, match="no VAT class 'diplomat': use one of business, exempt, private"):
        settle(cleared, [energy("anna", 5), energy("ben", 0, 5)], [point("anna", vat_class="diplomat"), point("ben")])


def test_transfer_ids_tell_the_business_key_even_for_an_awkward_point() -> None:
    odd = point("anna", metering_point="AT/00%2F1")
    result = settle(
        Book().cleared(), [energy("ben", 0, 5), _at(odd.metering_point)], [odd, point("ben")], tariff=TARIFF, run="SF"
    )
    keys = [business_key(each) for each in result.transfers if each.kind is TransferKind.LEVIES]
    assert [key.subject for key in keys] == ["AT/00%2F1"]
    assert [key.transfer_id("SF") for key in keys] == ["SF/1464782400/levies/AT%2F00%252F1/buy"]


def _at(metering_point: str):
    from dataclasses import replace

    return replace(energy("anna", 5), metering_point=metering_point)
