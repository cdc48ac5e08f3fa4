"""Orders over the API: placed, seen, cancelled; every rule of the market refuses with its own words."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, update
from werkzeug.test import TestResponse

from app.audit import entries
from app.storage.database import reading, writing
from app.storage.store.members import CONTRACTS, set_status
from app.storage.store.orders import book_of, place_orders
from app.storage.store.rounds import PublishedClearing, close_round, open_rounds, save_clearing
from matching.orders import Firmness, Order, Side, Trade
from tests.app.neighbourhood import NOON_S, StandingClock, token_for

START_S = NOON_S + 3_600
WISH = {
    "metering_point": "mp-anna",
    "start_s": START_S,
    "side": "sell",
    "quantity_wh": 500,
    "limit_micro_per_kwh": 150_000,
}


@pytest.fixture
def anna(community: Engine) -> dict[str, str]:
    with writing(community) as connection:
        open_rounds(connection, [START_S])
    return token_for(community, "anna")


def _place(client: FlaskClient, who: dict[str, str], **changes: object) -> TestResponse:
    return client.post("/api/v1/orders", json=WISH | changes, headers=who)


def _own(client: FlaskClient, who: dict[str, str]) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/orders", query_string={"start_s": NOON_S, "end_s": NOON_S + 86_400}, headers=who)
    assert answer.json is not None
    orders: list[dict[str, Any]] = answer.json["orders"]
    return orders


def _refused(answer: TestResponse) -> tuple[int, str]:
    assert answer.json is not None
    assert answer.content_type == "application/problem+json"
    return answer.status_code, str(answer.json["type"]).removeprefix("urn:commonwatt:problem:")


def test_an_order_by_hand_is_flexible_and_stands_in_the_book(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    answer = _place(client, anna)
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["firmness"] == "flexible"
    assert answer.json["origin"] == "person"
    with reading(community) as connection:
        (order,) = book_of(connection, START_S)
        assert (order.order_id, order.participant, order.quantity_wh) == (answer.json["order_id"], "anna", 500)
        assert order.firmness is Firmness.FLEXIBLE
        deeds = [(entry.actor, entry.action) for entry in entries(connection)]
    assert deeds == [("anna", "order placed"), ("anna", "token issued")]
    assert [order["order_id"] for order in _own(client, anna)] == [answer.json["order_id"]]


def test_a_retry_with_the_same_id_is_the_same_order_and_another_content_is_refused(
    client: FlaskClient, anna: dict[str, str]
) -> None:
    assert _place(client, anna, order_id="mine").status_code == 201
    assert _place(client, anna, order_id="mine").status_code == 201
    assert _refused(_place(client, anna, order_id="mine", quantity_wh=501)) == (409, "order-id-used")
    assert len(_own(client, anna)) == 1


def test_an_order_can_be_cancelled_until_the_gate_closes(
    client: FlaskClient, anna: dict[str, str], clock: StandingClock
) -> None:
    first, second = (_place(client, anna, order_id=name).json for name in ("one", "two"))
    assert first is not None
    assert second is not None
    cancelled = client.delete(f"/api/v1/orders/{first['order_id']}", headers=anna)
    assert cancelled.json is not None
    assert cancelled.json["cancelled_s"] == NOON_S
    clock.now_s = START_S - 900
    late = client.delete(f"/api/v1/orders/{second['order_id']}", headers=anna)
    assert _refused(late) == (409, "gate-closed")
    again = client.delete(f"/api/v1/orders/{first['order_id']}", headers=anna)
    assert again.status_code == 200
    assert [order["cancelled_s"] for order in _own(client, anna)] == [NOON_S, None]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"limit_micro_per_kwh": 150_050}, (409, "off-tick")),
        ({"limit_micro_per_kwh": 10_000_100}, (409, "price-range")),
        ({"quantity_wh": 2_501}, (409, "above-rating")),
        ({"quantity_wh": 0}, (409, "quantity")),
        ({"quantity_wh": -5}, (409, "quantity")),
        ({"start_s": START_S + 900}, (409, "unknown-interval")),
        ({"start_s": START_S + 1}, (409, "unknown-interval")),
        ({"start_s": NOON_S}, (409, "gate-closed")),
        ({"start_s": NOON_S + 900}, (409, "gate-closed")),
        ({"metering_point": "mp-bela"}, (404, "unknown-metering-point")),
        ({"metering_point": "mp-nobody"}, (404, "unknown-metering-point")),
        ({"side": "hold"}, (422, "invalid")),
        ({"quantity_wh": True}, (422, "invalid")),
        ({"quantity_wh": "500"}, (422, "invalid")),
        ({"quantity_wh": 500.5}, (422, "invalid")),
        ({"firmness": "firm"}, (422, "invalid")),
        ({"order_id": "../../etc"}, (422, "invalid")),
    ],
)
def test_an_order_against_a_rule_is_refused_by_its_name(
    client: FlaskClient, anna: dict[str, str], changes: dict[str, object], refusal: tuple[int, str]
) -> None:
    assert _refused(_place(client, anna, **changes)) == refusal
    assert _own(client, anna) == []


def test_an_order_up_to_the_rating_of_the_connection_is_taken(client: FlaskClient, anna: dict[str, str]) -> None:
    assert _place(client, anna, quantity_wh=2_000).status_code == 201
    assert _refused(_place(client, anna, quantity_wh=501)) == (409, "above-rating")
    assert _place(client, anna, quantity_wh=500).status_code == 201


def test_a_sixth_step_on_one_side_is_refused(client: FlaskClient, anna: dict[str, str]) -> None:
    for step in range(5):
        assert _place(client, anna, quantity_wh=10, limit_micro_per_kwh=150_000 + 100 * step).status_code == 201
    assert _refused(_place(client, anna, quantity_wh=10)) == (409, "too-many-steps")
    assert _place(client, anna, quantity_wh=10, side="buy").status_code == 201


def test_a_closed_book_takes_no_order_however_early_it_closed(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    with writing(community) as connection:
        close_round(connection, START_S, closed_s=NOON_S, digest=lambda _: "")
    assert _refused(_place(client, anna)) == (409, "gate-closed")


def test_a_suspended_member_cannot_order(client: FlaskClient, community: Engine, anna: dict[str, str]) -> None:
    with writing(community) as connection:
        set_status(connection, "anna", "suspended")
    assert _refused(_place(client, anna)) == (403, "suspended")


def test_without_an_active_contract_there_is_no_order(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    with writing(community) as connection:
        connection.execute(update(CONTRACTS).values(valid_to_s=START_S))
    assert _refused(_place(client, anna)) == (409, "no-contract")


def test_what_became_of_an_order_is_shown_with_it(client: FlaskClient, community: Engine, anna: dict[str, str]) -> None:
    placed = _place(client, anna).json
    assert placed is not None
    trade = Trade(
        order_id=placed["order_id"],
        accepted_wh=400,
        curtailed_wh=0,
        price_micro_per_kwh=190_000,
        amount_nano=76_000_000,
    )
    cleared = PublishedClearing(
        status="green",
        clearing_price_micro_per_kwh=190_000,
        traded_wh=400,
        binding_count=0,
        document={},
        clearing_hash="",
    )
    with writing(community) as connection:
        close_round(connection, START_S, closed_s=NOON_S, digest=lambda _: "")
        save_clearing(connection, START_S, cleared, trades=[trade], set_points=[], cleared_s=NOON_S)
    assert _own(client, anna)[0]["trade"] == {
        "accepted_wh": 400,
        "curtailed_wh": 0,
        "price_micro_per_kwh": 190_000,
        "amount_nano": 76_000_000,
    }


def test_nobody_sees_or_cancels_an_order_of_another_home(
    web_app: Flask, community: Engine, anna: dict[str, str]
) -> None:
    client, bela = web_app.test_client(), token_for(community, "bela")
    placed = _place(client, anna, order_id="mine").json
    assert placed is not None
    assert _own(client, bela) == []
    assert _refused(client.delete(f"/api/v1/orders/{placed['order_id']}", headers=bela)) == (404, "unknown-order")
    assert _refused(client.delete("/api/v1/orders/no-such", headers=bela)) == (404, "unknown-order")
    # The same id of another member is another order, not a sign that the first exists.
    taken = _place(client, bela, order_id="mine", metering_point="mp-bela")
    assert taken.status_code == 201


def test_an_order_of_the_agent_is_listed_with_its_reason(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    order = Order(
        order_id="mp-anna-sell",
        participant="anna",
        metering_point="mp-anna",
        side=Side.SELL,
        quantity_wh=1,
        limit_micro_per_kwh=100,
        firmness=Firmness.CURTAILABLE,
    )
    with writing(community) as connection:
        place_orders(connection, [order], start_s=START_S, origin="agent", reason="forecast: 1 Wh", placed_s=NOON_S)
    (listed,) = _own(client, anna)
    assert (listed["origin"], listed["reason"]) == ("agent", "forecast: 1 Wh")


@pytest.mark.parametrize("span", [{"start_s": 5, "end_s": 5}, {"start_s": 0, "end_s": NOON_S}, {"start_s": 0}])
def test_a_span_that_is_none_or_too_long_is_refused(
    client: FlaskClient, anna: dict[str, str], span: dict[str, int]
) -> None:
    assert client.get("/api/v1/orders", query_string=span, headers=anna).status_code in {400, 422}
