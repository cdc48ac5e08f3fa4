"""The plan of a battery or a car is shown as its agent makes it, with the price that speaks for each interval."""

import html
import re

from flask import Flask

from app.agents.windows import DeviceClass, WindowOrder
from app.platform import EXTENSION
from app.storage.database import reading, writing
from app.storage.store.windows import place_window, windows_of
from app.window_plans import window_plans
from tests.app.community_day import NOW, SLOT_S
from tests.app.street_server import member

NOW_S = int(NOW.timestamp())
FIRST_S = NOW_S // SLOT_S * SLOT_S + 3 * SLOT_S


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_a_cars_plan_adds_up_and_says_why_these_intervals(own_street: Flask) -> None:
    engine = own_street.extensions[EXTENSION].engine
    window = WindowOrder(
        window_id="car-1",
        participant="M02",
        metering_point="MP-M02",
        device=DeviceClass.CAR,
        earliest_s=FIRST_S,
        latest_s=FIRST_S + 20 * SLOT_S,
        energy_wh=4_000,
        power_w=4_000,
    )
    with writing(engine) as connection:
        place_window(connection, window, placed_s=NOW_S)
    with reading(engine) as connection:
        placed = windows_of(connection, "M02", start_s=NOW_S, end_s=FIRST_S + 86_400)
        (plan,) = window_plans(connection, placed, now_s=NOW_S)
    assert sum(plan.planned_wh.values()) == 4_000
    page = member(own_street, "M02").get("/plan").text
    table = re.findall(r"<tr data-at[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    assert len(table) == len(plan.planned_wh) == 4
    drawn = [float(re.findall(r'class="number">([\d.]+)<', row)[0]) for row in table]
    assert sum(drawn) == 4.0
    # Energy needed in any case goes where it is cheapest: nothing it leaves out is expected to cost less.
    used = [plan.expected_micro_per_kwh[start_s] for start_s in plan.planned_wh]
    left = [price for start_s, price in plan.expected_micro_per_kwh.items() if start_s not in plan.planned_wh]
    assert max(used) <= min(left)
    assert "intervals are expected to be cheaper" in shown(page)
    assert "Planned: 4.00" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "No plan for a device" in shown(member(own_street, "M04").get("/plan").text)


def test_a_battery_without_a_window_says_what_its_agent_does(street_app: Flask) -> None:
    assert "in the dearest intervals of the evening" in shown(member(street_app, "M03").get("/plan").text)
    assert "appears here" in shown(member(street_app, "M02").get("/plan").text)
