"""The order book and what it refuses."""

import contextlib
import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_cases import RULES, book, many, order

from matching.auction import TOTAL_MAX_WH
from matching.book import BookError, OrderBook
from matching.clearing import MarketRules, clear
from matching.orders import Firmness, Order, Side
from matching.rules import RuleError
from matching.validation import LIMIT_MAX_MICRO_PER_KWH, QUANTITY_MAX_WH, book_errors

ORDERS = (
    order("a", "buy", 500, 260_000, "firm", 3),
    order("ä-2", "sell", 700, -100, "curtailable", 4, participant="a"),
    order("c", "sell", 0, 120_000, "flexible"),
)


def test_a_book_hands_back_its_orders_as_they_came() -> None:
    assert tuple(OrderBook.from_orders(ORDERS).orders()) == ORDERS


def test_a_book_cannot_be_changed() -> None:
    made = book(*ORDERS)
    with pytest.raises(ValueError, match="read-only"):
        made.quantity_wh[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.__setattr__("participants", ())


def test_the_digest_does_not_depend_on_the_order_of_arrival() -> None:
    assert book(*ORDERS).digest() == book(*reversed(ORDERS)).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"quantity_wh": 501},
        {"limit_micro_per_kwh": 260_100},
        {"bus": 4},
        {"bus": None},
        {"side": Side.SELL},
        {"firmness": Firmness.FLEXIBLE},
        {"participant": "b"},
        {"metering_point": "elsewhere"},
        {"order_id": "b"},
    ],
)
def test_the_digest_changes_with_every_field(change: dict[str, object]) -> None:
    changed = dataclasses.replace(ORDERS[0], **change)
    assert book(changed, *ORDERS[1:]).digest() != book(*ORDERS).digest()


def test_the_digest_is_the_hash_that_is_written_down() -> None:
    lines = b"a\ta\tMP-a\t3\tbuy\t5\t100\tfirm\nb\tb\tMP-b\t\tsell\t6\t-100\tflexible\n"
    two = book(order("b", "sell", 6, -100), order("a", "buy", 5, 100, "firm", 3))
    assert two.digest() == hashlib.sha256(lines).hexdigest()


def test_a_good_book_has_no_errors() -> None:
    assert book_errors(book(*ORDERS), None) == []


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        (order("x", "buy", -1, 100), "quantity_wh", "give 0 to 100000000 whole Wh"),
        (order("x", "buy", QUANTITY_MAX_WH + 1, 100), "quantity_wh", "give 0 to 100000000 whole Wh"),
        (order("x", "buy", 1, 150), "limit_micro_per_kwh", "give a multiple of 100"),
        (order("x", "buy", 1, LIMIT_MAX_MICRO_PER_KWH + 100), "limit_micro_per_kwh", "at most 10000000000"),
        (order("c", "buy", 1, 100), "order_id", "give each order its own"),
    ],
)
def test_an_order_that_cannot_be_cleared_is_named_with_its_remedy(wrong: Order, field: str, message: str) -> None:
    errors = book_errors(book(*ORDERS, wrong), None)
    assert [(error.position, error.field) for error in errors] == [(3, field)]
    assert message in errors[0].message


@pytest.mark.parametrize(("bus", "message"), [(None, "bus is missing"), (7, "bus 7 is not in the network")])
def test_an_order_outside_the_network_is_refused_only_with_a_network(bus: int | None, message: str) -> None:
    stray = book(order("x", "buy", 1, 100, bus=bus))
    assert book_errors(stray, None) == []
    assert message in book_errors(stray, (0, 1))[0].message


@pytest.mark.parametrize("order_id", ["", "x\ty", "x\0", "é" * 65])
def test_identifiers_that_do_not_fit_the_digest_are_refused(order_id: str) -> None:
    with pytest.raises(BookError, match=r"order_id .* must be 1 to 128 bytes"):
        book(order(order_id, "buy", 1, 100))


def test_numbers_beyond_64_bits_are_refused_instead_of_wrapping_around() -> None:
    with pytest.raises(BookError, match="does not fit into 64 bits"):
        book(order("x", "buy", 2**63, 100))


def test_names_with_control_characters_are_refused() -> None:
    with pytest.raises(BookError, match=r"participant .* 128 bytes of UTF-8 without control"):
        book(order("x", "buy", 1, 100, participant="a\tb"))


@pytest.mark.parametrize("wrong", [b"a\0b", b"\xff", b"\xc3", b"a\x1f", b"x" * 129])
def test_texts_that_numpy_can_hold_but_no_line_can_are_named(wrong: bytes) -> None:
    good = book(*ORDERS)
    columns = {field.name: getattr(good, field.name) for field in dataclasses.fields(good)}
    columns["metering_points"] = np.array([b"fine", wrong, b"\xa4 goes with nothing"[1:]])
    with pytest.raises(BookError, match="metering_point") as raised:
        OrderBook.from_arrays(**columns)
    assert [error.position for error in raised.value.errors] == [1]


def test_clearing_a_wrong_book_raises_all_its_errors() -> None:
    wrong = book(order("x", "buy", -1, 150), order("y", "sell", 1, 100))
    with pytest.raises(BookError, match=r"quantity_wh is -1.*\(and 1 more\)") as raised:
        clear(wrong, interval_minutes=15, rules=RULES)
    assert [error.order_id for error in raised.value.errors] == ["x", "x"]


@given(texts=st.lists(st.binary(max_size=5) | st.text(max_size=2).map(str.encode), min_size=1, max_size=4))
@many()
def test_texts_are_refused_exactly_where_python_would(texts: list[bytes]) -> None:
    held = np.array(texts, dtype="S5")  # without the zero bytes at their ends
    good = book(*(order(f"o{k}", "buy", 1, 100) for k in range(len(texts))))
    columns = {field.name: getattr(good, field.name) for field in dataclasses.fields(good)} | {"participants": held}
    wrong = [at for at, text in enumerate(held.tolist()) if not usable(text)]
    with pytest.raises(BookError) if wrong else contextlib.nullcontext() as raised:
        OrderBook.from_arrays(**columns)
    assert not wrong or [error.position for error in raised.value.errors] == wrong


def usable(text: bytes) -> bool:
    try:
        return all(letter >= " " for letter in text.decode())
    except UnicodeDecodeError:
        return False


def test_the_same_long_identifier_twice_is_found() -> None:
    ids = ["a-long-identifier-1", "a-long-identifier-2", "a-long-identifier-1"]
    errors = book_errors(book(*(order(order_id, "buy", 1, 100) for order_id in ids)), None)
    assert [(error.position, error.order_id) for error in errors] == [(2, "a-long-identifier-1")]


def test_identifiers_whose_hashes_collide_are_not_taken_for_the_same() -> None:
    # found by search: the 64-bit words that are compared first are equal for these two
    ids = ["order-aammmmmmmm", "s1ffan6fahKc-?}V"]
    assert book_errors(book(*(order(order_id, "buy", 1, 100) for order_id in ids)), None) == []


def test_ten_million_largest_orders_stay_within_64_bits() -> None:
    assert QUANTITY_MAX_WH * LIMIT_MAX_MICRO_PER_KWH <= 10**18 < np.iinfo(np.int64).max
    assert 10**7 * QUANTITY_MAX_WH <= TOTAL_MAX_WH


def test_sums_beyond_64_bits_are_exact() -> None:
    # one nano-unit more or less must show in a sum of some 10^19
    buys = [order(f"b{k}", "buy", QUANTITY_MAX_WH - k, LIMIT_MAX_MICRO_PER_KWH - 100 * k) for k in range(20)]
    sells = [order(f"s{k}", "sell", QUANTITY_MAX_WH - k, -LIMIT_MAX_MICRO_PER_KWH + 100 * k) for k in range(20)]
    result = clear(book(*buys, *sells), interval_minutes=15, rules=MarketRules(tie_seed="a test", k=1.0))
    exact = sum(2 * (QUANTITY_MAX_WH - k) * (LIMIT_MAX_MICRO_PER_KWH - 100 * k) for k in range(20))
    assert exact > 2**63
    assert (result.welfare_nano, result.certificate.dual_welfare_nano) == (exact, exact)
    assert result.clearing_price_micro_per_kwh == LIMIT_MAX_MICRO_PER_KWH - 1_900
    assert result.congestion_rent_nano == 0


def test_a_supplier_price_that_could_overflow_an_amount_is_refused() -> None:
    with pytest.raises(RuleError, match="supplier price 10000000100 is out of range"):
        MarketRules(tie_seed="a test", supplier_price_micro_per_kwh=LIMIT_MAX_MICRO_PER_KWH + 100)
