"""Cents: rounded once, half up, nothing lost from one invoice to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON

from contracts.bills import NANO_PER_CENT, BillItem, community_bill, half_up_cents, make_bill, rounding_transfers
from contracts.tariff import Tariff, TariffSchedule
from contracts.transfers import ROUNDING, member_account, net_positions

SCHEDULE = TariffSchedule(versions=((0, Tariff(version="test")),))


@pytest.mark.parametrize(
    ("nano", "cents"),
    [
        (0, 0),
        (4_999_999, 0),
        (5_000_000, 1),
        (14_999_999, 1),
        (-4_999_999, 0),
        (-5_000_000, 0),
        (-5_000_001, -1),
        (-15_000_000, -1),
    ],
)
def test_half_a_cent_goes_up(nano: int, cents: int) -> None:
    assert half_up_cents(nano) == cents


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=len(BillItem)))
def test_the_cents_of_the_lines_add_up_and_no_line_is_a_cent_off(amounts: list[int]) -> None:
    bill = make_bill([(item, 0, nano) for item, nano in zip(BillItem, amounts, strict=False)])
    assert sum(line.amount_cents for line in bill.lines) == bill.total_cents
    assert all(abs(line.amount_cents * NANO_PER_CENT - line.amount_nano) < NANO_PER_CENT for line in bill.lines)
    assert abs(bill.rounding_nano) <= NANO_PER_CENT // 2
    assert bill.total_cents * NANO_PER_CENT == bill.total_nano + bill.rounding_nano


@pytest.mark.parametrize("amount_nano", [54_249_000, 56_000_000, -23_132_940, 20_000_000])
def test_a_closed_invoice_is_whole_cents_and_the_next_takes_the_rest_over(amount_nano: int) -> None:
    first = make_bill([(BillItem.ENERGY_BOUGHT, 0, amount_nano)])
    closing, opening = NOON, NOON.shifted(1)
    transfers = rounding_transfers(first, "anna", closing=closing, opening=opening, run="INVOICE")
    assert net_positions(transfers).get(ROUNDING, 0) == 0
    booked = sum(
        (each.debit == member_account("anna")) * each.amount_nano
        - (each.credit == member_account("anna")) * each.amount_nano
        for each in transfers
        if each.interval == closing
    )
    assert (amount_nano + booked) % NANO_PER_CENT == 0
    carried = community_bill("anna", [each for each in transfers if each.interval == opening], [], SCHEDULE)
    assert carried.line(BillItem.CARRIED).amount_nano == -first.rounding_nano
    assert carried.total_nano == -first.rounding_nano


def test_an_invoice_of_whole_cents_posts_no_rounding() -> None:
    bill = make_bill([(BillItem.ENERGY_BOUGHT, 0, 30_000_000)])
    assert rounding_transfers(bill, "anna", closing=NOON, opening=NOON.shifted(1), run="INVOICE") == ()
