"""One household never sees another's data, on any route: each home is filled with figures nobody else has."""

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.access import Access, rule_of
from app.agents.windows import DeviceClass, WindowOrder
from app.auth import issue_sign_in_code
from app.storage.database import writing
from app.storage.store.community import Envelope, add_tariff, save_envelopes
from app.storage.store.members import Preference, save_preference
from app.storage.store.orders import place_orders
from app.storage.store.readings import save_substitutes
from app.storage.store.rounds import PublishedClearing, close_round, mark_settled, open_rounds, save_clearing
from app.storage.store.settlement import post_transfers, save_allocations
from app.storage.store.windows import place_window
from contracts.settlement import Allocation
from contracts.tariff import Tariff
from contracts.transfers import MARKET, BusinessKey, Transfer, TransferKind, member_account
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.neighbourhood import HOUSEHOLDS, NOON_S, token_for

START_S = NOON_S - 1_800
SPAN = {"start_s": NOON_S - 86_400, "end_s": NOON_S + 86_400}
# Figures that nothing else in the answers can contain by chance, in several ways of writing them.
MARKS = {"anna": 7_341_977, "bela": 6_129_733}


def _written(figure: int) -> list[str]:
    grouped = f"{figure:,}"
    return [str(figure), grouped, grouped.replace(",", "."), grouped.replace(",", " "), f"{figure / 1000:.3f}"]


def _fill(engine: Engine) -> None:
    interval = DeliveryInterval.at(START_S)
    with writing(engine) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        open_rounds(connection, [START_S])
        orders, trades, allocations = [], [], []
        for name in HOUSEHOLDS:
            mark = MARKS[name]
            order = Order(
                order_id=f"order-of-{name}",
                participant=name,
                metering_point=f"mp-{name}",
                side=Side.BUY,
                quantity_wh=mark,
                limit_micro_per_kwh=200_000,
                firmness=Firmness.FIRM,
            )
            orders.append(order)
            trades.append(
                Trade(
                    order_id=order.order_id, accepted_wh=mark, curtailed_wh=0, price_micro_per_kwh=1, amount_nano=mark
                )
            )
            allocations.append(
                Allocation(
                    metering_point=f"mp-{name}",
                    participant=name,
                    interval=interval,
                    bought_wh=mark,
                    sold_wh=0,
                    residual_import_wh=0,
                    residual_export_wh=0,
                )
            )
            energy = IntervalEnergy(metering_point=f"mp-{name}", interval=interval, import_wh=mark, export_wh=0)
            save_substitutes(connection, [energy], received_s=NOON_S)
            limits = Envelope(metering_point_id=f"mp-{name}", start_s=START_S, import_limit_w=mark, export_limit_w=mark)
            save_envelopes(connection, [limits])
            save_preference(connection, Preference(participant_id=name, buy_at_most_micro_per_kwh=mark))
            post_transfers(connection, [_transfer(name, interval)])
            place_window(connection, _window(name), placed_s=START_S)
        place_orders(connection, orders, start_s=START_S, origin="agent", reason="forecast", placed_s=START_S)
        close_round(connection, START_S, closed_s=START_S, digest=lambda _: "")
        cleared = PublishedClearing(
            status="green", clearing_price_micro_per_kwh=1, traded_wh=1, binding_count=0, document={}, clearing_hash=""
        )
        save_clearing(connection, START_S, cleared, trades=trades, set_points=[], cleared_s=START_S)
        save_allocations(connection, START_S, "D1", allocations)
        mark_settled(connection, START_S)


def _window(name: str) -> WindowOrder:
    return WindowOrder(
        window_id=f"order-of-{name}",
        participant=name,
        metering_point=f"mp-{name}",
        device=DeviceClass.CAR,
        earliest_s=START_S,
        latest_s=START_S + 86_400,
        energy_wh=MARKS[name],
        power_w=1_000_000,
    )


def _transfer(name: str, interval: DeliveryInterval) -> Transfer:
    key = BusinessKey(START_S, TransferKind.ENERGY, f"mp-{name}", "buy@1")
    return Transfer(
        transfer_id=key.transfer_id("D1"),
        interval=interval,
        run="D1",
        kind=TransferKind.ENERGY,
        debit=member_account(name),
        credit=MARKET,
        amount_nano=MARKS[name],
        energy_wh=MARKS[name],
        price_micro_per_kwh=1,
    )


def _gets(app: Flask) -> Iterator[str]:
    """Every address a household may open, with this interval and this month in the place of variables."""
    values = {
        "start_s": START_S,
        "month": "2025-06",
        "period": "2025-06",
        "order_id": "order-of-bela",
        "day": "2025-06-16",
        "format": "csv",
    }
    for rule in app.url_map.iter_rules():
        allowed = {Access.PUBLIC, Access.SIGNED_IN, Access.HOUSEHOLD}
        if "GET" in (rule.methods or ()) and rule_of(app, rule.endpoint) in allowed and "static" not in rule.endpoint:
            filled = {name: values.get(name, "x") for name in rule.arguments}
            yield app.url_map.bind("localhost").build(rule.endpoint, filled)


@pytest.fixture
def filled(web_app: Flask, community: Engine) -> Flask:
    _fill(community)
    return web_app


def _signed_in(app: Flask, engine: Engine, name: str) -> FlaskClient:
    client = app.test_client()
    with writing(engine) as connection:
        code = issue_sign_in_code(connection, name, now_s=NOON_S)
    page = client.get(f"/sign-in/link/{code}").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    assert client.post(f"/sign-in/link/{code}", data={"csrf_token": token[1]}).status_code == 302
    return client


def test_a_household_reads_its_own_figures_over_the_api(filled: Flask, community: Engine) -> None:
    client, anna = filled.test_client(), token_for(community, "anna")
    for path in ("/api/v1/energy", "/api/v1/envelopes", "/api/v1/orders", "/api/v1/windows", "/api/v1/me"):
        query = {} if path.endswith("me") else SPAN
        assert str(MARKS["anna"]) in client.get(path, query_string=query, headers=anna).get_data(as_text=True), path
    answer = client.get("/api/v1/statements", headers=anna)
    assert answer.json == {"statements": [{"month": "2025-06", "provisional": True}]}


@pytest.mark.parametrize("name", HOUSEHOLDS)
def test_no_route_shows_a_household_the_figures_of_another(filled: Flask, community: Engine, name: str) -> None:
    (other,) = set(HOUSEHOLDS) - {name}
    browser, token = _signed_in(filled, community, name), token_for(community, name)
    opened, own = 0, set()
    for path in _gets(filled):
        for answer in (
            browser.get(path, query_string=SPAN),
            filled.test_client().get(path, query_string=SPAN, headers=token),
        ):
            text = answer.get_data().decode(errors="replace")
            opened += answer.status_code == 200
            own |= {path for written in _written(MARKS[name]) if written in text}
            assert not any(written in text for written in _written(MARKS[other])), path
            assert f"mp-{other}" not in text, path
            assert f"order-of-{other}" not in text or other in path, path
    assert opened > 20
    assert any(path.startswith("/api/") for path in own)
    assert any(not path.startswith("/api/") for path in own)


def test_an_operator_sees_no_consumption_of_a_home_on_any_page(filled: Flask, community: Engine) -> None:
    browser = _signed_in(filled, community, "olga")
    for rule in filled.url_map.iter_rules():
        if rule_of(filled, rule.endpoint) is not Access.HOUSEHOLD or "GET" not in (rule.methods or ()):
            continue
        filled_in = {
            name: {"start_s": START_S, "month": "2025-06", "period": "2025-06"}.get(name, "x")
            for name in rule.arguments
        }
        path = filled.url_map.bind("localhost").build(rule.endpoint, filled_in)
        answer = browser.get(path, query_string=SPAN)
        assert answer.status_code == 403, path
