"""A community that shares after delivery: a whole day, from meters to a bill that was worked out by hand."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from configurations import ANNA, BEN, COMMUNITY, settings_from
from sqlalchemy import Engine

from app.agents.windows import DeviceClass, WindowOrder
from app.errors import InputError
from app.grid_quantities import import_quantities
from app.local_time import LocalMonth
from app.market_choice import Authority, MarketChoice, Timing, adopt_choice
from app.order_entry import HandOrder, OrderRefusedError, place_by_hand
from app.statements import statement_of
from app.storage.database import reading, writing
from app.storage.store.community import Envelope, save_envelopes
from app.storage.store.proofs import load_prepared
from app.storage.store.rounds import rounds_between, set_points_of
from app.storage.store.settlement import balances, batches
from app.window_entry import place_window_by_hand
from contracts.bills import BillItem
from matching.mechanisms import MECHANISMS
from matching.orders import Side
from meters.interval import DeliveryInterval
from tests.app.delivered_day import DAY_START_S, SLOT_S, SLOTS, DeliveredDay, energies_wh

CASES = Path(__file__).parents[1] / "cases" / "bills-after-delivery"
AFTER = MarketChoice(timing=Timing.EX_POST)
GIVEN = MarketChoice(
    mechanism="dynamic_key",
    community_price_micro_per_kwh=150_000,
    timing=Timing.EX_POST,
    authority=Authority.OPERATOR_OF_GRID,
)
END_S = DAY_START_S + SLOTS * SLOT_S
HEADER = "start,metering_point,bought_wh,sold_wh"


def instant(slot: int) -> str:
    seconds = slot * SLOT_S - 2 * 3600
    day, rest = divmod(seconds, 86_400)
    return f"2025-06-{16 + day}T{rest // 3600:02d}:{rest % 3600 // 60:02d}:00+00:00"


def quantities_of_the_day() -> list[str]:
    """The file of the operator of the grid: all that can be shared, but at most 240 Wh a quarter-hour."""
    rows = [HEADER]
    for slot in range(SLOTS):
        (_, exported_wh), (imported_wh, _) = energies_wh(slot)
        shared_wh = min(exported_wh, imported_wh, 240)
        rows += [f"{instant(slot)},mp-anna,0,{shared_wh}", f"{instant(slot)},mp-bela,{shared_wh},0"]
    return rows


def give(day: DeliveredDay, lines: list[str]) -> int:
    with writing(day.engine) as connection:
        return import_quantities(connection, lines, actor="olga", now_s=day.clock.now_s)


def check_bill(engine: Engine, name: str) -> None:
    """Every line of bela's month, and what anna was paid."""
    expected = json.loads((CASES / name / "expected.json").read_text())
    month = LocalMonth.parse("2025-06", ZoneInfo("Europe/Berlin"))
    with reading(engine) as connection:
        bela = statement_of(connection, "bela", month, now_s=END_S)
        anna = statement_of(connection, "anna", month, now_s=END_S)
        totals = balances(connection)
    lines = {
        line.item.value: {"energy_wh": line.energy_wh, "amount_nano": line.amount_nano}
        for line in bela.community.lines
        if line.amount_nano
    }
    assert lines == expected["lines"]
    found = {name: getattr(bela.community, name) for name in ("total_nano", "total_cents", "rounding_nano")}
    assert found == {name: expected[name] for name in found}
    assert bela.supplier.line(BillItem.SUPPLIER_ENERGY).energy_wh == expected["supplier_wh"]
    assert anna.community.total_nano == -expected["sold_nano"]
    assert (bela.settled_count, bela.ended_count) == (SLOTS, SLOTS)
    assert (totals["member:anna"], totals["member:bela"]) == (expected["sold_nano"], -expected["total_nano"])
    assert sum(totals.values()) == 0


def test_a_day_shared_after_delivery_gives_the_bill_worked_out_by_hand(community: Engine) -> None:
    day = DeliveredDay(community, AFTER)
    day.live()
    check_bill(community, "shared-after-delivery")
    with reading(community) as connection:
        (batch,) = batches(connection)
        rounds = rounds_between(connection, start_s=DAY_START_S, end_s=END_S)
        prices = {each.clearing_price_micro_per_kwh for each in load_prepared(connection, batch.sequence).rounds}
    assert (batch.first_start_s, batch.end_s) == (DAY_START_S, END_S)
    assert {each.state for each in rounds} == {"settled"}
    assert prices == {None, 245_000, 135_000}


def test_quantities_of_the_operator_of_the_grid_only_get_a_price(community: Engine) -> None:
    day = DeliveredDay(community, GIVEN)
    day.live()
    day.clock.now_s += 3 * 86_400
    day.scheduler.tick()
    with reading(community) as connection:
        assert batches(connection) == ()  # however long: nobody knows the quantities yet
    assert give(day, quantities_of_the_day()) == SLOTS
    day.scheduler.tick()
    check_bill(community, "quantities-of-the-grid")


def test_a_round_waits_for_every_meter_and_not_for_ever(community: Engine) -> None:
    day = DeliveredDay(community, AFTER)
    day.live(30)
    day.clock.now_s += SLOT_S
    day.meter(30, without=frozenset({"anna"}))
    day.scheduler.tick()
    with reading(community) as connection:
        states = [each.state for each in rounds_between(connection, start_s=DAY_START_S, end_s=day.clock.now_s)]
    assert states == ["cleared"] * 30 + ["open"]
    day.clock.now_s = END_S + day.scheduler.settlement.grace_s
    day.scheduler.tick()
    with reading(community) as connection:
        rounds = rounds_between(connection, start_s=DAY_START_S, end_s=END_S)
    assert {each.state for each in rounds} == {"settled"}
    assert rounds[30].clearing_price_micro_per_kwh is None


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_every_mechanism_shares_after_delivery(community: Engine, mechanism: str) -> None:
    keys = {"bela": 500_000} if MECHANISMS[mechanism].properties.keys else {}
    day = DeliveredDay(
        community, MarketChoice(mechanism=mechanism, timing=Timing.EX_POST, keys_ppm=keys), period_minutes=15
    )
    day.clock.now_s = DAY_START_S + 25 * SLOT_S
    day.scheduler.announce(_interval(52))
    day.clock.now_s = DAY_START_S + 53 * SLOT_S
    day.meter(52)
    day.scheduler.share()
    day.scheduler.settle()
    with reading(community) as connection:
        totals = balances(connection)
    shared_wh = {"static_key": 150, "mcafee": 0}.get(mechanism, 250)  # half of 300 Wh; one pair never trades
    assert (totals.get("member:anna", 0) > 0) == (shared_wh > 0)
    assert totals.get("system:platform_fee", 0) == shared_wh * 5_000


def test_plants_keep_to_the_room_that_was_published_though_nobody_trades_for_it(community: Engine) -> None:
    day = DeliveredDay(community, AFTER)
    interval = _interval(52)
    day.clock.now_s = interval.start_s - SLOT_S
    day.scheduler.announce(interval)
    room = Envelope(metering_point_id="mp-anna", start_s=interval.start_s, import_limit_w=10_000, export_limit_w=2_345)
    with writing(community) as connection:
        save_envelopes(connection, [room])
    for _ in range(2):
        day.scheduler.close(interval)
    with reading(community) as connection:
        told = {each.metering_point_id: each.generation_limit_w for each in set_points_of(connection, interval.start_s)}
    assert told == {"mp-anna": 2_345}


def test_an_interval_that_nobody_announced_is_shared_all_the_same(community: Engine) -> None:
    """After a start there are intervals within the hour before which envelopes are published."""
    day = DeliveredDay(community, AFTER)
    day.clock.now_s = _interval(51).start_s
    day.scheduler.close(_interval(52))
    with reading(community) as connection:
        told = [each.generation_limit_w for each in set_points_of(connection, _interval(52).start_s)]
    day.clock.now_s = _interval(53).start_s
    day.meter(52)
    day.scheduler.share()
    with reading(community) as connection:
        (found,) = rounds_between(connection, start_s=DAY_START_S, end_s=END_S)
    assert told == [10_000]  # without a network the rating of the connection
    assert (found.state, found.traded_wh) == ("cleared", 250)


def test_nobody_orders_by_hand_what_is_shared_after_delivery(community: Engine) -> None:
    day = DeliveredDay(community, AFTER)
    interval = _interval(52)
    day.clock.now_s = interval.start_s - 4 * SLOT_S
    day.scheduler.announce(interval)
    order = HandOrder(
        order_id="o1",
        participant="bela",
        metering_point="mp-bela",
        start_s=interval.start_s,
        side=Side.BUY,
        quantity_wh=100,
        limit_micro_per_kwh=200_000,
    )
    car = WindowOrder(
        window_id="w1",
        participant="bela",
        metering_point="mp-bela",
        device=DeviceClass.CAR,
        power_w=11_000,
        energy_wh=1_000,
        earliest_s=interval.start_s,
        latest_s=interval.start_s + 4 * SLOT_S,
    )
    for place, wish in ((place_by_hand, order), (place_window_by_hand, car)):
        with writing(community) as connection, pytest.raises(OrderRefusedError, match="shares energy after") as refused:
            place(connection, wish, now_s=day.clock.now_s)
        assert refused.value.slug == "after-delivery"
    with writing(community) as connection:
        adopt_choice(connection, MarketChoice(), next_s=DAY_START_S + 1)
        assert place_by_hand(connection, order, now_s=day.clock.now_s).order.quantity_wh == 100


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "line 1: the columns are"),
        ([HEADER], "the file holds no quantities"),
        ([HEADER, "noon,mp-anna,0,1"], "line 2: start 'noon' is no instant"),
        ([HEADER, "2025-06-16T12:00:00,mp-anna,0,1"], "has no offset"),
        ([HEADER, f"{instant(1)},mp-anna,0"], "line 2: has 3 fields, not 4"),
        ([HEADER, f"{instant(1)},mp-anna,0,-1"], "line 2: sold_wh '-1' is no whole number"),
        ([HEADER, f"{instant(1)},mp-anna,0.5,0"], "line 2: bought_wh '0.5' is no whole number"),
        ([HEADER, f"{instant(1)},mp-anna,0,1", f"{instant(1)},mp-anna,0,1"], "line 3: mp-anna is there twice"),
        ([HEADER, f"{instant(1)},mp-zoe,0,0"], "'mp-zoe' is no metering point of a member then"),
        ([HEADER, f"{instant(1)},mp-anna,0,7", f"{instant(1)},mp-bela,6,0"], "6 Wh bought and 7 Wh sold"),
        ([HEADER, f"{instant(95)},mp-anna,0,0"], "no delivered interval begins then"),
        ([HEADER, "2025-06-15T22:01:00+00:00,mp-anna,0,0"], "no delivered interval begins then"),
        ([HEADER, "2025-06-15T22:00:00+00:00,mp-anna,0,0", '"'], "line 3"),
    ],
)
def test_a_file_of_quantities_that_cannot_be_is_refused_whole(
    community: Engine, lines: list[str], problem: str
) -> None:
    day = DeliveredDay(community, GIVEN)
    day.clock.now_s = DAY_START_S + 8 * SLOT_S
    with pytest.raises(InputError) as refused:
        give(day, lines)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_quantities_are_refused_where_the_community_decides_itself(community: Engine) -> None:
    day = DeliveredDay(community, AFTER)
    day.clock.now_s = END_S
    with pytest.raises(InputError, match="set authority to operator_of_grid first"):
        give(day, quantities_of_the_day())


@pytest.mark.parametrize(
    ("market", "problem"),
    [
        ('timing = "later"', "timing 'later' does not exist; choose from ex_ante, ex_post"),
        ('authority = "me"', "authority 'me' does not exist"),
        ('authority = "operator_of_grid"', "set timing to ex_post"),
        ('timing = "ex_post"\nauthority = "operator_of_grid"', "set mechanism to dynamic_key"),
    ],
)
def test_a_timing_or_authority_that_cannot_be_is_refused(tmp_path: Path, market: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        settings_from(tmp_path, f"{COMMUNITY}[market]\n{market}\n{ANNA}{BEN}")
    assert problem in str(refused.value)


def _interval(slot: int) -> DeliveryInterval:
    return DeliveryInterval.at(DAY_START_S + slot * SLOT_S)
