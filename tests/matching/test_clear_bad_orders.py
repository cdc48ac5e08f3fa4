"""Every way an orders file can be wrong: `commonwatt clear` names file, line and remedy, and writes nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main

HEADER = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
TWO = HEADER + "a-1,anna,mp-1,,sell,800,120000,curtailable\nb-1,ben,mp-2,,buy,500,260000,firm\n"
LINE = "b-1,ben,mp-2,,buy,500,260000,firm"


@pytest.mark.parametrize(
    ("orders", "place", "message"),
    [
        ("", "line 1", "the file is empty"),
        ("order_id,side\n", "line 1", "missing column participant, metering_point, bus, quantity_wh"),
        (HEADER.replace("bus", "side"), "line 1", "missing column bus"),
        (HEADER.strip() + ",side\n", "line 1", "column side is there twice"),
        (TWO.replace(",", ";"), "line 1", "the columns are separated by semicolons; save the file with commas"),
        (TWO.replace(",", "\t"), "line 1", "the columns are separated by tabs; save the file with commas"),
        (TWO + LINE.replace("buy", "bid").replace("b-1", "c"), "line 4", "side is 'bid'; write buy or sell"),
        (TWO + LINE.replace("500", "-5").replace("b-1", "c"), "line 4", "quantity_wh is -5; give 0 to 100000000"),
        (TWO + LINE.replace("500", "1.5").replace("b-1", "c"), "line 4", "quantity_wh is '1.5'; give whole Wh"),
        (TWO + LINE.replace("500", "nan").replace("b-1", "c"), "line 4", "quantity_wh is 'nan'; give whole Wh"),
        (TWO + LINE.replace("500", "").replace("b-1", "c"), "line 4", "quantity_wh is ''; give whole Wh"),
        (TWO + LINE.replace("500", "1_0").replace("b-1", "c"), "line 4", "quantity_wh is '1_0'; give whole Wh"),
        (TWO + LINE.replace("500", "9" * 30).replace("b-1", "c"), "line 4", "give whole Wh"),
        (TWO + LINE.replace("500", "9" * 12).replace("b-1", "c"), "line 4", "give 0 to 100000000 whole Wh"),
        (TWO + LINE.replace("260000", "260050").replace("b-1", "c"), "line 4", "give a multiple of 100"),
        (TWO + LINE.replace("260000", "inf").replace("b-1", "c"), "line 4", "give whole micro-units per kWh"),
        (TWO + LINE.replace("firm", "soft").replace("b-1", "c"), "line 4", "write firm or curtailable or flexible"),
        (TWO + "\n\n" + LINE, "line 6", "order_id 'b-1' is used twice"),
        (TWO + LINE.replace("b-1", ""), "line 4", "order_id is empty"),
        (TWO + LINE.replace("b-1", "c") + ",more", "line 4", "9 cells where the first line names 8"),
        (TWO + "c,ben", "line 4", "2 cells where the first line names 8"),
        (TWO + '"c,ben', "line 4", "its quotes do not match"),
        (TWO.encode() + LINE.replace("b-1", "c").encode() + b"\xff", "line 4", "save the file as UTF-8"),
        (TWO.encode("utf-16"), "line 1", "contains a zero byte"),
        (TWO + "c" * 70_000, "line 4", "longer than 65536 bytes"),
        ("\n" + TWO, "line 1", "the line is empty; the first line must name order_id,"),
        (TWO + 'c,"ben\nand",,,buy,5,100,firm\n', "line 4", "its quotes do not match"),
        (TWO + 'c,"ben"x,,,buy,5,100,firm\n', "line 4", "its quotes do not match"),
        (TWO.replace("\n", "\r"), "line 1", "a carriage return without line feed"),
        (TWO + "c,be\0n,,,buy,5,100,firm\n", "line 4", "contains a zero byte"),
        (TWO + "c,be\tn,,,buy,5,100,firm\n", "line 4", "control characters"),
        (TWO + "c,,,,buy,5,100,firm\n", "line 4", "participant is empty; every row needs one"),
        (TWO + "c" * 129 + ",ben,,,buy,5,100,firm\n", "line 4", "is too long; give at most 128 bytes"),
        (TWO + "c,ben,,,buy, 5,100,firm\n", "line 4", "quantity_wh is ' 5'; give whole Wh, 0 or more"),
        (TWO + "c,ben,,,buy,+5,100,firm\n", "line 4", "quantity_wh is '+5'; give whole Wh, 0 or more"),
        (TWO + "c,ben,,,buy,0x5,100,firm\n", "line 4", "quantity_wh is '0x5'; give whole Wh, 0 or more"),
        (TWO + "c,ben,,,buy,5,1e3,firm\n", "line 4", "limit_micro_per_kwh is '1e3'; give whole micro-units"),
        (TWO + "c,ben,,,buy,5,9223372036854775808,firm\n", "line 4", "give whole micro-units per kWh"),
        (TWO + "c,ben,,,buy,5,-9223372036854775807,firm\n", "line 4", "at most 10000000000"),
    ],
)
def test_bad_orders_are_refused_with_place_and_remedy(
    tmp_path: Path, orders: str | bytes, place: str, message: str
) -> None:
    path, out = tmp_path / "orders.csv", tmp_path / "out"
    path.write_bytes(orders if isinstance(orders, bytes) else orders.encode())
    out.mkdir()
    (out / "trades.csv").write_text("an older result")
    result = CliRunner().invoke(main, ["clear", str(path), "--out", str(out)])
    assert result.exit_code == 2
    assert f"orders.csv {place}: " in result.output
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert {file.name: file.read_text() for file in out.iterdir()} == {"trades.csv": "an older result"}
