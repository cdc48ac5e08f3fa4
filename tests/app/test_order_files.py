"""The fast reading of orders against the careful one: it may doubt, but it never takes what the careful one refuses."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import _csv_tables
from app.cli._csv_tables import Arrays
from app.cli._order_files import ORDER_COLUMNS, BusIndex, _arrays, _require_order, no_network, read_orders
from app.errors import InputError
from grid.feeder import BusDirectory

HEADER = ",".join(ORDER_COLUMNS) + "\n"
GOOD = ("o", "anna", "mp-1", "elm", "sell", "800", "120000", "firm")
PLACES = {name: place for place, name in enumerate(ORDER_COLUMNS)}
NUMBERS = [
    *("0", "5", "-5", "007", "-0", "-", "--", "--5", "5-", "+5", "1_000", "1e3", "1.0", ".5", "0x1F", "1,0", "٣", "９"),
    *("nan", "inf", "²", "", " 12", "12 ", "1 2", "\t12", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "-9223372036854775809", "9" * 30, "0" * 30 + "7", "9" * 5000),
]
TEXTS = ["", " ", "a", "ü", "x" * 128, "ü" * 65, "y" * 200, "buy", "Buy", "sell ", "soft", "flexible", "NULL", "nan"]
MARKS = ['"', '""', '"a"', '"a""b"', 'a"b', '"a"b', '"a', "a,b", '"a,b"', '"a\nb"', "\r", "\0", "\t", "\x1f", "\x85"]
MARKS += ["\u2028", "\ufeff", "=1+1", "elm", " elm", "0", "1", "77", "#", "\\", "\\n", "';", '" a"', '"a" ', ' "a"']
INSERTED = [
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xef\xbb\xbf",
    b'"\n"',
    b"\\",
]
bus_index = BusDirectory({0: "elm", 1: "oak", 2: "oak", 3: ""}).find


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """Lines of orders of which some cells, line ends and bytes are not what they should be."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        row = list(GOOD)
        for place in draw(st.lists(st.integers(0, 7), max_size=2)):
            row[place] = draw(st.sampled_from(NUMBERS + TEXTS + MARKS) | st.text(max_size=4))
        if draw(st.integers(0, 9)) == 0:
            row = row[: draw(st.integers(0, 7))] + draw(st.lists(st.just("z"), max_size=3))
        lines.append(",".join(row) + draw(st.sampled_from(["\n"] * 6 + ["\r\n", "\n\n", "\r", "\r\r\n", " \n"])))
    content = "".join(lines).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.sampled_from(INSERTED)) + content[place:]
    return content


def fast(block: bytes, find: BusIndex) -> Arrays | None:
    try:
        return _arrays(_csv_tables._understood(block, PLACES, 8), bus_index=find)
    except ValueError:
        return None


def careful(block: bytes, find: BusIndex) -> tuple[Arrays, list[int]]:
    texts, lines = _csv_tables._read_by_row(block, PLACES, 8, 2, partial(_require_order, bus_index=find))
    return _arrays(texts, bus_index=find), lines


def same(one: Arrays, other: Arrays) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one.keys() | other.keys())


@pytest.mark.parametrize("find", [no_network, bus_index], ids=["no network", "network"])
@settings(max_examples=4 * settings().max_examples)
@given(block=blocks())
def test_what_the_fast_pass_takes_the_careful_one_takes_as_the_same(find: BusIndex, block: bytes) -> None:
    block = block.removesuffix(b"\n") + b"\n"
    quick = fast(block, find)
    if quick is not None:
        arrays, lines = careful(block, find)
        assert same(quick, arrays)
        assert lines == list(range(2, 2 + block.count(b"\n")))


@given(block=blocks())
def test_what_the_careful_pass_takes_can_be_converted(block: bytes) -> None:
    try:
        arrays, lines = careful(block, bus_index)
    except ValueError as error:
        assert str(error).startswith("line ")  # noqa: PT017 (either outcome is right, but each in its form)
    else:
        assert {array.shape for array in arrays.values()} == {(len(lines),)}


@pytest.mark.parametrize("name", ORDER_COLUMNS)
@pytest.mark.parametrize("find", [no_network, bus_index], ids=["no network", "network"])
def test_every_odd_cell_is_doubted_or_read_alike(name: str, find: BusIndex) -> None:
    for cell in (*NUMBERS, *TEXTS, *MARKS):
        row = list(GOOD)
        row[PLACES[name]] = cell
        block = (",".join(row) + "\n").encode()
        quick = fast(block, find)
        assert quick is None or same(quick, careful(block, find)[0]), cell


@pytest.fixture
def _no_careful_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the careful pass was needed")

    monkeypatch.setattr(_csv_tables, "_read_by_row", refuse)


@pytest.mark.usefixtures("_no_careful_pass")
@pytest.mark.parametrize(
    "content",
    [
        HEADER + "a,anna,mp,,sell,5,100,firm\nb,ben ö,,,buy,6,-200,flexible\n",
        "\ufeff" + HEADER + "a,anna,mp,,sell,5,100,firm\nb,ben ö,,,buy,6,-200,flexible",
        (HEADER + "a,anna,mp,,sell,5,100,firm\nb,ben ö,,,buy,6,-200,flexible\n").replace("\n", "\r\n"),
        '"note",' + HEADER + '"x, y",a,anna,"mp","",sell,"5",100,"firm"\n,"b",ben ö,,,buy,6,"-200",flexible\n',
    ],
    ids=["plain", "marked, last line without end", "carriage returns", "quoted, further column"],
)
def test_clean_files_are_read_by_the_fast_pass_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content.encode())
    table = read_orders(path, no_network)
    first, second = table.book().orders()
    assert (first.order_id, first.participant, first.quantity_wh, first.limit_micro_per_kwh) == ("a", "anna", 5, 100)
    assert (second.participant, second.metering_point, second.side, second.limit_micro_per_kwh) == (
        "ben ö",
        "",
        "buy",
        -200,
    )
    assert [table.lines.of(position) for position in (0, 1)] == [2, 3]


@pytest.fixture(params=[1, 50, 97, 400])
def _small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_tables, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("_small_blocks")
def test_where_blocks_are_cut_does_not_matter(tmp_path: Path) -> None:
    rows = [f"o{k},{'p' * (1 + k % 7)},mp,,buy,{k},{100 * k},firm" for k in range(40)]
    rows.insert(17, "")
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + "\n".join(rows))
    heard: list[int] = []
    table = read_orders(path, no_network, told=heard.append)
    assert [order.quantity_wh for order in table.book().orders()] == list(range(40))
    assert [table.lines.of(position) for position in (0, 16, 17, 39)] == [2, 18, 20, 42]
    assert heard == sorted(heard)
    assert heard[-1] == 40
    path.write_text(HEADER + "\n".join([*rows, "bad,row"]))
    with pytest.raises(InputError, match="line 43: 2 cells where the first line names 8"):
        read_orders(path, no_network)
