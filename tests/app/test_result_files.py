"""Reading the result of a clearing back, and refusing what is no such result."""

from pathlib import Path

import pytest

from app.cli._result_files import TRADE_COLUMNS, read_document, read_trades
from app.errors import InputError

HEADER = ",".join(TRADE_COLUMNS) + "\n"


def test_trades_are_read_into_arrays_and_an_empty_price_is_none(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(HEADER + 'a,5,0,100,500\n\n"b, too",0,3,,0\nü,1,0,-200,200\n', encoding="utf-8")
    trades = read_trades(path)
    assert [name.decode() for name in trades.order_ids.tolist()] == ["a", "b, too", "ü"]
    assert trades.accepted_wh.tolist() == [5, 0, 1]
    assert trades.curtailed_wh.tolist() == [0, 3, 0]
    assert trades.price_micro_per_kwh.tolist() == [100, 0, -200]
    assert trades.is_priced.tolist() == [True, False, True]
    assert trades.amount_nano.tolist() == [500, 0, 200]
    assert [trades.lines.of(position) for position in range(3)] == [2, 4, 5]


def test_trades_of_an_empty_book_are_empty_arrays(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(HEADER)
    trades = read_trades(path)
    assert (trades.order_ids.size, trades.amount_nano.size, trades.lines.count) == (0, 0, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,5,0,100", "4 cells where the first line names 5"),
        (",5,0,100,500", "order_id is empty"),
        ("a,,0,100,500", "accepted_wh is ''; give whole Wh"),
        ("a,5,1.5,100,500", "curtailed_wh is '1.5'; give whole Wh"),
        ("a,5,0, 100,500", "price_micro_per_kwh is ' 100'; give whole micro-units per kWh, or nothing"),
        ("a,5,0,100,9223372036854775808", "amount_nano is '9223372036854775808'; give whole nano-units"),
    ],
)
def test_trades_that_cannot_be_read_are_refused_with_their_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(f"{HEADER}first,1,0,100,100\n{row}\n")
    with pytest.raises(InputError) as refused:
        read_trades(path)
    assert str(refused.value).startswith(f"{path} line 3: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[1]", "holds no JSON object"),
        (b"\xff{}", "is not JSON"),
        (b'{"a": ' * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clearing.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_document(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_document(tmp_path / "nothing.json")


def test_a_document_is_read(tmp_path: Path) -> None:
    (tmp_path / "clearing.json").write_text('{"status": "green"}')
    assert read_document(tmp_path / "clearing.json") == {"status": "green"}
