"""Rules that a mechanism cannot work with are refused in one line, before anything is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from matching.rules import MarketRules, RuleError

ORDERS = """order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness
a-1,anna,mp-1,,sell,500,100000,firm
b-1,ben,mp-2,,buy,500,260000,firm
"""
PRICES = ("--supplier-price", "320000", "--feed-in-price", "80000")


def run(tmp_path: Path, *options: str, keys: str | None = None) -> tuple[int, str]:
    (tmp_path / "orders.csv").write_text(ORDERS)
    if keys is not None:
        (tmp_path / "keys.csv").write_text(keys)
        options = (*options, "--keys", str(tmp_path / "keys.csv"))
    result = CliRunner().invoke(main, ["clear", str(tmp_path / "orders.csv"), "--out", str(tmp_path / "out"), *options])
    assert "Traceback" not in result.output
    assert (tmp_path / "out").exists() is (result.exit_code == 0)
    return result.exit_code, result.output.replace("\n", " ").strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("mid_market_rate",), "mid_market_rate needs a supplier price and a feed-in price"),
        (("mid_market_rate", "--supplier-price", "320000"), "needs a supplier price and a feed-in price"),
        (("fixed_price",), "fixed_price needs a community price, or a supplier price and a feed-in price"),
        (("dynamic_key", "--feed-in-price", "80000"), "dynamic_key needs a community price"),
        (("static_key",), "static_key needs a community price"),
        (
            ("fixed_price", "--community-price", "210050"),
            "community price 210050 is off the tick; give a multiple of 100",
        ),
        (("mcafee", "--community-price", "210000"), "mcafee makes its own price; leave the community price out"),
        (("pay_as_bid", "--losses", "market"), "pay_as_bid cannot buy losses; leave them to the grid"),
    ],
)
def test_what_a_mechanism_lacks_or_cannot_use_is_named(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, output = run(tmp_path, "--mechanism", *options)
    assert (code, message in output) == (2, True), output


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("participant,share\nben,600000\nanna,400001\n", "add up to 1000001 parts per million; give 1000000 at most"),
        ("participant,share\nben,600000\nzoe,1\n", "keys.csv line 3: participant 'zoe' has no order"),
        ("participant,share\nben,-1\n", "keys.csv line 2: share is '-1'; give zero or more whole parts per million"),
        ("participant,share\nben,0.5\n", "keys.csv line 2: share is '0.5'"),
        ("participant,share\nben,1\nben,2\n", "keys.csv line 3: participant 'ben' is there twice"),
        ("participant,share\nben\n", "keys.csv line 2: 1 values, the header has 2"),
        ("ben,1\n", "keys.csv line 1: the header must be participant,share"),
        ("", "keys.csv line 1: the header must be participant,share"),
    ],
)
def test_keys_that_cannot_be_are_refused_with_their_line(tmp_path: Path, keys: str, message: str) -> None:
    code, output = run(tmp_path, "--mechanism", "static_key", *PRICES, keys=keys)
    assert (code, message in output) == (2, True), output


def test_keys_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_bytes(b"participant,share\n\xff,1\n")
    code, output = run(tmp_path, "--mechanism", "static_key", *PRICES, "--keys", str(tmp_path / "keys.csv"))
    assert (code, "cannot be read as UTF-8 text" in output) == (2, True), output


def test_keys_are_for_static_keys_alone(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--mechanism", "dynamic_key", *PRICES, keys="participant,share\nben,1\n")
    assert (code, "dynamic_key takes no keys; leave them out or choose static_key" in output) == (2, True), output


def test_keys_that_fit_are_used(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--mechanism", "static_key", *PRICES, keys="participant,share\n\nben,300000\n")
    assert (code, "0.150 kWh traded at 0.2000 per kWh" in output) == (0, True), output


def test_a_negative_share_is_refused_where_it_comes_from_no_file() -> None:
    with pytest.raises(RuleError, match="key of 'ben' is -1; give zero or more"):
        MarketRules(tie_seed="a test", mechanism="static_key", community_price_micro_per_kwh=100, keys_ppm={"ben": -1})
