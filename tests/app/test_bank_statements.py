"""The bank's statement pays invoices once, and says of every other line why it was not posted."""

import pytest
from sqlalchemy import Engine

from app.errors import InputError
from app.storage.database import reading
from app.storage.store.accounts import payments
from contracts.references import creditor_reference
from contracts.transfers import PLATFORM_FEE, TREASURY
from tests.app.two_invoices import ANNA, BELA, bank, pay, row, totals


def test_a_bank_statement_pays_its_invoices_and_again_pays_nothing(invoiced: Engine) -> None:
    rows = (row(2_570, BELA, "B1"), row(-1_631, ANNA, "B2"))
    first = bank(invoiced, *rows)
    assert [each.amount_cents for each in first.posted] == [2_570, -1_631]
    after = totals(invoiced)
    again = bank(invoiced, *rows)
    assert (again.posted, again.known, again.unmatched) == ((), 2, ())
    assert totals(invoiced) == after == {PLATFORM_FEE: 939, TREASURY: -939}


def test_a_reference_may_be_typed_with_spaces_and_in_small_letters(invoiced: Engine) -> None:
    typed = f"{BELA.reference[:4]} {BELA.reference[4:]}".lower()
    assert len(bank(invoiced, row(2_570, BELA, "B1", reference=typed)).posted) == 1


def test_what_the_treasurer_had_marked_is_recognised_in_the_statement(invoiced: Engine) -> None:
    pay(invoiced, BELA)
    result = bank(invoiced, row(2_570, BELA, "B1"))
    assert (result.posted, result.confirmed, result.unmatched) == ((), 1, ())
    assert totals(invoiced)[TREASURY] == -2_570
    with reading(invoiced) as connection:
        assert [each.bank_reference for each in payments(connection)] == ["B1"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(2_570, BELA, "B9", reference="RF00X"), "RF00X: the reference is mistyped."),
        (row(2_570, BELA, "B9", reference=creditor_reference("9X9")), "no invoice has this reference"),
        (row(2_571, BELA, "B9"), "only 2570 cents are due"),
        (row(-2_570, BELA, "B9"), "is payable, and money went out"),
        (row(1_631, ANNA, "B9"), "is a credit, and money came in"),
    ],
)
def test_a_line_that_belongs_to_no_due_invoice_is_told_and_the_others_are_posted(
    invoiced: Engine, line: str, reason: str
) -> None:
    result = bank(invoiced, line, row(100, BELA, "B1"))
    (unmatched,) = result.unmatched
    assert unmatched.line.line == 2
    assert reason in unmatched.reason
    assert [each.bank_reference for each in result.posted] == ["B1"]


def test_the_same_invoice_paid_twice_at_the_bank_is_told(invoiced: Engine) -> None:
    result = bank(invoiced, row(2_570, BELA, "B1"), row(2_570, BELA, "B2"))
    assert len(result.posted) == 1
    assert "is paid already" in result.unmatched[0].reason


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "the file holds no payments"),
        (["2025-06-16,1.00,EUR,RF"], "line 2: has 4 fields, not 5"),
        (["16.06.2025,1.00,EUR,RF,B1"], "line 2: booked_on '16.06.2025' is no day"),
        (["2025-06-17,1.00,EUR,RF,B1"], "is still to come"),
        (["2025-06-16,1,EUR,RF,B1"], "line 2: amount '1' is no sum"),
        (["2025-06-16,0.00,EUR,RF,B1"], "amount '0.00' is no sum"),
        (["2025-06-16,1e9,EUR,RF,B1"], "amount '1e9' is no sum"),
        (["2025-06-16,1.00,CHF,RF,B1"], "currency 'CHF' is not EUR"),
        (["2025-06-16,1.00,EUR,RF,"], "bank_reference '' is missing"),
        ([row(100, BELA, "B1"), row(100, BELA, "B1")], "line 3: bank_reference B1 is there twice"),
        ([row(100, BELA, "B1"), '"'], "line 3"),
    ],
)
def test_a_statement_with_a_line_that_cannot_be_read_is_refused_whole(
    invoiced: Engine, rows: list[str], problem: str
) -> None:
    before = totals(invoiced)
    with pytest.raises(InputError) as refused:
        bank(invoiced, *rows)
    assert problem in str(refused.value)
    assert totals(invoiced) == before


def test_a_bank_reference_with_other_figures_than_before_is_refused(invoiced: Engine) -> None:
    bank(invoiced, row(1_000, BELA, "B1"))
    with pytest.raises(InputError, match="line 2: bank_reference B1 was imported before with other figures"):
        bank(invoiced, row(1_001, BELA, "B1"))
