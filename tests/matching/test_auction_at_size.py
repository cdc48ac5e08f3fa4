"""No integer overflows at ten million orders of the largest numbers: by argument, and by doing it.

The argument: an order holds at most Q = 10^8 Wh at a limit of at most L = 10^10 micro-units per kWh either way, and
n = 10^7 orders make a book.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from matching.auction import TOTAL_MAX_WH
from matching.rationing import _DIGIT_BITS, _DIGIT_COUNT, _TOTAL_MAX
from matching.validation import LIMIT_MAX_MICRO_PER_KWH, QUANTITY_MAX_WH

ORDERS, INT64_MAX = 10**7, 2**63 - 1


def test_every_number_that_is_computed_stays_within_64_bits() -> None:
    amount = QUANTITY_MAX_WH * LIMIT_MAX_MICRO_PER_KWH
    surplus = QUANTITY_MAX_WH * 2 * LIMIT_MAX_MICRO_PER_KWH  # price and limit at opposite ends, in the certificate
    volume = ORDERS * QUANTITY_MAX_WH
    assert amount <= 10**18
    assert surplus < INT64_MAX
    assert volume <= TOTAL_MAX_WH == 2**53  # counted in floating point, whole numbers up to there exactly
    assert TOTAL_MAX_WH <= _TOTAL_MAX
    # A digit of the long division: a remainder below the total, shifted, plus a digit times the total.
    assert (_TOTAL_MAX << _DIGIT_BITS) + ((1 << _DIGIT_BITS) - 1) * _TOTAL_MAX < INT64_MAX
    assert QUANTITY_MAX_WH < 1 << (_DIGIT_BITS * _DIGIT_COUNT)
    # Sums of products are added in two halves of 32 bits.
    assert ORDERS * (surplus >> 32) < INT64_MAX
    assert ORDERS * (2**32 - 1) < INT64_MAX
    # Prices pass through floating point once, which holds every whole number up to 2^53.
    assert 2 * LIMIT_MAX_MICRO_PER_KWH < 2**53


@pytest.mark.long
def test_ten_million_largest_orders_are_cleared_exactly_within_4_gib() -> None:
    program = Path(__file__).parent / "ten_million_orders.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    wanted = ORDERS // 2 * QUANTITY_MAX_WH - 1
    assert json.loads(done.stdout) == {
        "sold_wh": wanted,
        "bought_wh": wanted,
        "sellers_left_short": 1,
        "price": -LIMIT_MAX_MICRO_PER_KWH,
        "welfare_nano": wanted * 2 * LIMIT_MAX_MICRO_PER_KWH,
        "bound_nano": wanted * 2 * LIMIT_MAX_MICRO_PER_KWH,
    }
