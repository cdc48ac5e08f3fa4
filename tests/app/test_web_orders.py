"""Orders by hand and standing limits through the pages."""

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.agents.household import PriceBounds
from app.audit import entries
from app.community import Home
from app.platform import EXTENSION
from app.storage.database import reading
from app.storage.store.members import MeteringPoint, Participant, Preference, SupplyContract, preference_of
from app.storage.store.orders import find_order, orders_of
from matching.orders import Firmness, Side
from tests.app.community_day import NOW, SLOT_S
from tests.app.street_server import member, post

OPEN_S = int(NOW.timestamp()) // SLOT_S * SLOT_S + 3 * SLOT_S
CLOSED_S = OPEN_S - 2 * SLOT_S
WISH = {"side": "buy", "start": str(OPEN_S), "point": "MP-M02", "energy": "0,25", "limit": "17.5"}


@pytest.fixture
def own(own_street: Flask) -> FlaskClient:
    """Member M02 in a street of this test's own."""
    return member(own_street, "M02")


def hand_orders(app: Flask, participant: str = "M02"):
    with reading(app.extensions[EXTENSION].engine) as connection:
        found = orders_of(connection, participant, start_s=OPEN_S, end_s=OPEN_S + SLOT_S)
    return [each for each in found if each.origin == "person"]


def test_an_order_by_hand_is_in_the_book_and_can_be_cancelled(own_street: Flask, own: FlaskClient) -> None:
    placed = post(own, "/orders", "/orders", WISH)
    assert placed.status_code == 302
    assert "Order placed for 19:15–19:30" in own.get("/orders").text
    (order,) = hand_orders(own_street)
    wish = order.order
    assert (wish.quantity_wh, wish.limit_micro_per_kwh, wish.firmness) == (250, 175_000, "flexible")
    cancelled = post(own, "/orders", f"/orders/{order.order.order_id}/cancel", {})
    assert cancelled.status_code == 302
    assert hand_orders(own_street)[0].cancelled_s == int(NOW.timestamp())
    with reading(own_street.extensions[EXTENSION].engine) as connection:
        assert [entry.action for entry in entries(connection, limit=2)] == ["order.cancelled", "order.placed"]


def test_a_second_click_is_the_same_order(own_street: Flask, own: FlaskClient) -> None:
    page = own.get("/orders").text
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf_token|order_id)" value="([^"]*)"', page))
    assert [own.post("/orders", data=hidden | WISH).status_code for _ in range(2)] == [302, 302]
    assert len(hand_orders(own_street)) == 1


def test_a_form_that_says_firm_or_names_an_agents_order_places_nothing_firm(
    own_street: Flask, own: FlaskClient
) -> None:
    said = {"firmness": "firm", "origin": "agent", "quantity_wh": "99999", "forecast_wh": "99999"}
    assert post(own, "/orders", "/orders", WISH | said).status_code == 302
    (order,) = hand_orders(own_street)
    assert (order.order.quantity_wh, order.order.firmness) == (250, "flexible")
    theirs = {"order_id": f"MP-M02-{OPEN_S}-buy"}
    assert post(own, "/orders", "/orders", WISH | theirs).status_code == 400
    assert len(hand_orders(own_street)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": str(CLOSED_S)}, "gate"),
        ({"start": "soon"}, "Choose an interval"),
        ({"start": str(OPEN_S + 1)}, "interval"),
        ({"side": "lend"}, "Choose whether to buy or to sell"),
        ({"energy": "0"}, "more than zero"),
        ({"energy": "99"}, "Your connection carries"),
        ({"energy": "much"}, "Type an energy"),
        ({"limit": "17.555"}, "steps of 0.01"),
        ({"point": "MP-M03"}, "no metering point MP-M03"),
    ],
)
def test_an_order_against_the_rules_is_refused_and_the_form_keeps_what_was_typed(
    own_street: Flask, own: FlaskClient, change: dict[str, str], says: str
) -> None:
    refused = post(own, "/orders", "/orders", WISH | change)
    assert refused.status_code == 422
    assert says in refused.text
    assert f'value="{(WISH | change)["limit"]}"' in refused.text
    assert hand_orders(own_street) == []


def test_nobody_cancels_the_order_of_another(own_street: Flask, own: FlaskClient) -> None:
    post(own, "/orders", "/orders", WISH)
    (order,) = hand_orders(own_street)
    stranger = member(own_street, "M01")
    assert post(stranger, "/orders", f"/orders/{order.order.order_id}/cancel", {}).status_code == 404
    with reading(own_street.extensions[EXTENSION].engine) as connection:
        assert find_order(connection, order.order.order_id).cancelled_s is None


def test_a_form_without_its_token_is_refused(own_street: Flask, own: FlaskClient) -> None:
    assert own.post("/orders", data=WISH | {"order_id": "hand-" + "0" * 32}).status_code == 400
    assert own.post("/preferences", data={"reset": "yes"}).status_code == 400
    assert hand_orders(own_street) == []


def stored(app: Flask):
    with reading(app.extensions[EXTENSION].engine) as connection:
        return preference_of(connection, "M02")


def test_limits_and_pause_are_saved_and_the_standard_comes_back(own_street: Flask, own: FlaskClient) -> None:
    page = own.get("/preferences").text
    assert 'value="16.00"' in page
    assert "You use the standard" in page
    post(own, "/preferences", "/preferences", {"buy_at_most": "18.5", "sell_at_least": "9", "autonomy": "semi"})
    post(own, "/preferences", "/preferences/pause", {"pause": "yes"})
    saved = stored(own_street)
    assert (saved.buy_at_most_micro_per_kwh, saved.sell_at_least_micro_per_kwh) == (185_000, 90_000)
    assert (saved.trading_paused, saved.autonomy) == (True, "semi")
    assert "Trading is paused" in own.get("/home").text
    post(own, "/preferences", "/preferences", {"reset": "yes"})
    post(own, "/preferences", "/preferences/pause", {"pause": "no"})
    saved = stored(own_street)
    assert (saved.buy_at_most_micro_per_kwh, saved.trading_paused, saved.autonomy) == (None, False, "semi")
    values = {"buy_at_most": "18.5", "sell_at_least": "9", "autonomy": "everything"}
    assert post(own, "/preferences", "/preferences", values).status_code == 400


def test_an_agent_that_may_only_suggest_orders_nothing_and_its_owner_places_what_it_suggests(
    own_street: Flask, own: FlaskClient
) -> None:
    values = {"buy_at_most": "18", "sell_at_least": "9", "autonomy": "suggest"}
    post(own, "/preferences", "/preferences", values)
    page = own.get("/orders").text
    fields = r'name="start" value="(\d+)"><button class="compact" name="order_id" value="([^"]+)"'
    start, order_id = re.search(fields, page).groups()
    assert post(own, "/orders", "/orders/suggested", {"start": start, "order_id": order_id}).status_code == 302
    with reading(own_street.extensions[EXTENSION].engine) as connection:
        placed = find_order(connection, order_id)
    assert (placed.order.participant, placed.order.side, placed.origin) == ("M02", Side.BUY, "person")
    assert placed.order.limit_micro_per_kwh == 180_000
    assert placed.order.firmness is Firmness.FIRM
    page = own.get("/orders").text
    assert f'value="{order_id}"' not in page, "what is placed is not suggested again"
    again = post(own, "/orders", "/orders/suggested", {"start": start, "order_id": order_id})
    assert "This suggestion is gone" in own.get(again.location).text
    assert post(own, "/orders", "/orders/suggested", {"start": "soon", "order_id": order_id}).status_code == 400
    foreign = order_id.replace("M02", "M04")
    post(own, "/orders", "/orders/suggested", {"start": start, "order_id": foreign})
    with reading(own_street.extensions[EXTENSION].engine) as connection:
        assert find_order(connection, foreign) is None or find_order(connection, foreign).origin == "agent"


def test_only_an_agent_that_may_do_everything_sells_spare_energy_and_one_that_suggests_orders_nothing() -> None:
    home = Home(
        point=MeteringPoint(id="mp", participant_id="anna"),
        owner=Participant(id="anna", display_name="Anna"),
        contract=SupplyContract(
            participant_id="anna", supplier_price_micro_per_kwh=1, feed_in_price_micro_per_kwh=0, valid_from_s=0
        ),
        preference=Preference(participant_id="anna"),
        bounds=PriceBounds(supplier_price=1, feed_in_price=0, buyer_charges=0),
    )
    may = {}
    for autonomy in ("full", "semi", "suggest"):
        each = replace(home, preference=Preference(participant_id="anna", autonomy=autonomy))
        may[autonomy] = (each.agent_trades, each.agent_trades and each.agent_sells_spare)
    assert may == {"full": (True, True), "semi": (True, False), "suggest": (False, False)}
    paused = Preference(participant_id="anna", trading_paused=True)
    assert not replace(home, preference=paused).agent_trades


def test_the_standard_typed_by_hand_stays_the_standard(own_street: Flask, own: FlaskClient) -> None:
    post(own, "/preferences", "/preferences", {"buy_at_most": "16.00", "sell_at_least": "10.00"})
    assert stored(own_street).buy_at_most_micro_per_kwh is None
    assert stored(own_street).sell_at_least_micro_per_kwh is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"buy_at_most": "19.01", "sell_at_least": "9"}, "Choose between 7.00"),
        ({"buy_at_most": "18", "sell_at_least": "6.99"}, "Choose between 7.00"),
        ({"buy_at_most": "18", "sell_at_least": "cheap"}, "Type a price in ct/kWh"),
    ],
)
def test_a_limit_outside_the_suppliers_prices_is_refused(
    own_street: Flask, own: FlaskClient, values: dict[str, str], says: str
) -> None:
    refused = post(own, "/preferences", "/preferences", values)
    assert refused.status_code == 422
    assert says in refused.text.replace("\N{NO-BREAK SPACE}", " ")
    assert stored(own_street).buy_at_most_micro_per_kwh is None
