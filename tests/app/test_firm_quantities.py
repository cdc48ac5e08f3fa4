"""Energy that answers for no deviation is the platform's forecast: members set neither its quantity nor firmness.

What phantom energy could do in the auction is shown in tests/matching/test_auction_gains.py.
"""

import json
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.market_round import Expectation, MarketDesk, expect, open_gate, place_agent_orders
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.orders import PlacedOrder, orders_of
from contracts.tariff import Tariff
from matching.orders import Firmness
from meters.interval import DeliveryInterval
from tests.app.neighbourhood import HOUSEHOLDS, NOON_S, StandingClock, token_for

NEXT = DeliveryInterval.at(NOON_S + 3_600)
WISH = {
    "metering_point": "mp-bela",
    "start_s": NEXT.start_s,
    "side": "sell",
    "quantity_wh": 2_000,
    "limit_micro_per_kwh": 80_000,
}


@pytest.fixture
def desk(community: Engine, clock: StandingClock) -> MarketDesk:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
    found = MarketDesk(engine=community, clock=clock, network=None, histories=Histories(community, minutes=15))
    open_gate(found, NEXT)
    return found


@pytest.fixture
def expected(desk: MarketDesk) -> Expectation:
    return expect(desk, NEXT, decided_s=NOON_S)


@pytest.fixture
def bela(community: Engine) -> dict[str, str]:
    """Who has no plant at all."""
    return token_for(community, "bela")


def placed_by(desk: MarketDesk, origin: str) -> list[PlacedOrder]:
    with reading(desk.engine) as connection:
        found = [
            each
            for name in HOUSEHOLDS
            for each in orders_of(connection, name, start_s=NEXT.start_s, end_s=NEXT.start_s + 900)
        ]
    return [each for each in found if each.origin == origin]


def test_agents_order_the_forecast_and_nothing_that_their_owners_typed(
    client: FlaskClient, desk: MarketDesk, expected: Expectation, bela: dict[str, str]
) -> None:
    assert client.post("/api/v1/orders", json=WISH, headers=bela).status_code == 201
    place_agent_orders(desk, expected)
    firm = placed_by(desk, "agent")
    assert {each.order.metering_point for each in firm} == {"mp-anna", "mp-bela"}
    for each in firm:
        forecast = expected.by_point[each.order.metering_point]
        assert each.order.quantity_wh == max(forecast.import_wh, forecast.export_wh) > 0
        assert each.reason == f"forecast: {forecast.basis}"
    assert expect(desk, NEXT, decided_s=NOON_S).by_point == expected.by_point


def test_energy_that_a_member_has_not_got_is_flexible_when_it_is_offered(
    client: FlaskClient, desk: MarketDesk, bela: dict[str, str]
) -> None:
    # Flexible energy that does not come pays the deviation price: see tests/contracts.
    assert client.post("/api/v1/orders", json=WISH, headers=bela).status_code == 201
    assert [each.order.firmness for each in placed_by(desk, "person")] == [Firmness.FLEXIBLE]


@pytest.mark.parametrize(
    "extra",
    [
        {"firmness": "firm"},
        {"firmness": "curtailable"},
        {"origin": "agent"},
        {"reason": "forecast: sunshine"},
        {"participant": "anna"},
        {"forecast_wh": 5_000},
    ],
    ids=str,
)
def test_a_request_that_says_what_the_platform_decides_is_refused(
    client: FlaskClient, desk: MarketDesk, bela: dict[str, str], extra: dict[str, object]
) -> None:
    assert client.post("/api/v1/orders", json=WISH | extra, headers=bela).status_code == 422
    assert placed_by(desk, "person") == []


def test_the_id_of_an_agents_order_taken_beforehand_is_another_order(
    client: FlaskClient, desk: MarketDesk, expected: Expectation, bela: dict[str, str]
) -> None:
    theirs = f"mp-bela-{NEXT.start_s}-buy"
    early = client.post("/api/v1/orders", json=WISH | {"order_id": theirs, "side": "buy"}, headers=bela)
    assert early.status_code == 201
    place_agent_orders(desk, expected)
    late = client.post("/api/v1/orders", json=WISH | {"order_id": theirs, "side": "buy"}, headers=bela)
    assert late.status_code == 201
    (order,) = [each.order for each in placed_by(desk, "agent") if each.order.metering_point == "mp-bela"]
    assert order.order_id == theirs
    assert (order.quantity_wh, order.firmness) == (expected.by_point["mp-bela"].import_wh, Firmness.FIRM)


@pytest.mark.parametrize("method", ["put", "patch", "post"])
def test_an_order_that_stands_cannot_be_changed(
    client: FlaskClient, desk: MarketDesk, expected: Expectation, bela: dict[str, str], method: str
) -> None:
    place_agent_orders(desk, expected)
    before = placed_by(desk, "agent")
    for order_id in (each.order.order_id for each in before):
        changed = client.open(
            f"/api/v1/orders/{order_id}", method=method, json={"quantity_wh": 9, "firmness": "firm"}, headers=bela
        )
        assert changed.status_code == 405
    assert placed_by(desk, "agent") == before


def _requests(web_app: Flask) -> Iterator[tuple[str, str]]:
    """Every field that the API takes, with the operation that takes it."""
    document = web_app.test_client().get("/api/v1/openapi.json").json
    assert document is not None
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            for content in body.get("content", {}).values():
                name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
                for field in document["components"]["schemas"].get(name, {}).get("properties", {}):
                    yield f"{method} {path}", field


def test_no_request_of_the_api_has_a_field_for_firmness_or_forecast(web_app: Flask) -> None:
    taken = set(_requests(web_app))
    assert ("post /api/v1/orders", "quantity_wh") in taken
    assert not [each for each in taken if "firm" in each[1] or "forecast" in each[1] or "origin" in each[1]]
