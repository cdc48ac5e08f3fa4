"""The figures on the members' page are those of a case worked out by hand."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-am-i-paid.md").read_text(encoding="utf-8")
EXPECTED = json.loads((ROOT / "tests/cases/bills/buying-home/expected.json").read_text())


def cents(nano: int) -> str:
    """Four decimals of a cent, with the typographic minus of the page."""
    return f"{nano / 10_000_000:.4f}".replace("-", "−")


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("energy bought", "energy_bought"),
        ("platform fee", "platform_fee"),
        ("grid fee", "grid_fee"),
        ("locality discount", "grid_fee_locality_discount"),
        ("levies", "levies"),
        ("VAT", "vat"),
    ],
)
def test_each_line_of_the_example_is_the_cases(line: str, item: str) -> None:
    (shown,) = re.findall(rf"^\| {line} \| .* \| (\S+) \|$", PAGE, re.MULTILINE)
    assert shown == cents(EXPECTED["lines"][item]["amount_nano"])


def test_the_totals_of_the_example_are_the_cases() -> None:
    assert f"| **total** | | **{cents(EXPECTED['total_nano'])}** |" in PAGE
    assert f"**{EXPECTED['total_cents']}** |" in PAGE
    assert f"**{cents(EXPECTED['full']['total_nano'])} ct**" in PAGE
    assert f"**{cents(EXPECTED['supplier_only']['total_nano'])} ct**" in PAGE
    assert f"Anna gains **{cents(EXPECTED['gains_nano']['buyer'])} ct**" in PAGE
