"""Prices for programs at home: what is published is passed on with charges and VAT, the rest is expected."""

import json
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.storage.database import writing
from app.storage.store.community import add_tariff
from app.storage.store.rounds import PublishedClearing, close_round, open_rounds, save_clearing
from contracts.tariff import Tariff
from tests.app.neighbourhood import NOON_S, StandingClock, token_for


@pytest.fixture
def priced(web_app: Flask, community: Engine, clock: StandingClock) -> Flask:
    """A round at noon at 20 ct; every rate of the tariff as it stands by default; the clock at a minute past noon."""
    clock.now_s = NOON_S + 60
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        open_rounds(connection, [NOON_S])
        close_round(connection, NOON_S, closed_s=NOON_S - 900, digest=lambda _: "")
        cleared = PublishedClearing(
            status="amber",
            clearing_price_micro_per_kwh=200_000,
            traded_wh=500,
            binding_count=1,
            document={},
            clearing_hash="",
        )
        save_clearing(connection, NOON_S, cleared, trades=[], set_points=[], cleared_s=NOON_S - 600)
    return web_app


def test_evcc_reads_two_days_of_prices_with_charges_and_vat(priced: Flask, community: Engine) -> None:
    anna = token_for(community, "anna")
    grid = priced.test_client().get("/api/v1/evcc/grid", headers=anna).json
    feed_in = priced.test_client().get("/api/v1/evcc/feed-in", headers=anna).json
    assert isinstance(grid, list)
    assert isinstance(feed_in, list)
    assert len(grid) == len(feed_in) == 48 * 4
    assert all(set(each) == {"start", "end", "value"} for each in (*grid, *feed_in))
    # 20 ct + 0.5 ct community + 7.5 ct grid less 57 % + 1.5 ct levies = 25.225 ct, and 20 % VAT on it.
    assert grid[0] == {"start": "2025-06-16T12:00:00Z", "end": "2025-06-16T12:15:00Z", "value": 0.3027}
    assert feed_in[0]["value"] == 0.2
    starts = [datetime.fromisoformat(each["start"]) for each in grid]
    ends = [datetime.fromisoformat(each["end"]) for each in grid]
    assert starts[1:] == ends[:-1]
    # Where nothing is published, between what the supplier pays and what it charges: 8 and 30 ct net.
    assert all(0.08 <= each["value"] <= 0.30 for each in feed_in)
    assert all(0 < each["value"] <= 1.2 * (0.30 + 0.09) for each in grid)


def test_now_tells_price_light_and_energy_of_today(priced: Flask, community: Engine) -> None:
    answer = priced.test_client().get("/api/v1/now", headers=token_for(community, "anna")).json
    assert answer is not None
    assert answer["start_s"] == NOON_S
    assert answer["price_micro_per_kwh"] == 302_700
    assert answer["sell_price_micro_per_kwh"] == 200_000
    assert answer["light"] == "amber"
    assert (answer["import_wh"], answer["export_wh"]) == (0, 0)


def test_without_a_tariff_there_is_no_price(web_app: Flask, community: Engine) -> None:
    for path in ("evcc/grid", "evcc/feed-in", "now"):
        answer = web_app.test_client().get(f"/api/v1/{path}", headers=token_for(community, "anna"))
        assert answer.status_code == 409, path
        assert answer.content_type == "application/problem+json"
