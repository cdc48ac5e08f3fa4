"""A community chooses how it trades: from the configuration through a round to settled money, with every mechanism."""

import html
import json
from pathlib import Path

import pytest
from apiflask import APIFlask
from configurations import ANNA, BEN, COMMUNITY, settings_from
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.errors import InputError
from app.market_choice import MarketChoice, adopt_choice, choice_at
from app.market_round import MarketDesk, open_gate, run_gate_closure
from app.settlement_run import Period, SettlementDesk, settle_period
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.orders import place_orders
from app.storage.store.proofs import load_prepared
from app.storage.store.readings import save_substitutes
from app.web.explanations import RULE_TEXT
from contracts.tariff import Tariff
from matching.mechanisms import DEFAULT_MECHANISM, MECHANISMS
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.neighbourhood import NOON_S, StandingClock
from tests.app.street_server import member

SLOT_S = 900
STEPS = ((101, 150_000), (99, 170_000), (50, 190_000))  # Wh and limit of each of anna's sell orders; bela's are dearer


def choice(mechanism: str) -> MarketChoice:
    keys = {"bela": 600_000, "anna": 400_000} if MECHANISMS[mechanism].properties.keys else {}
    return MarketChoice(mechanism=mechanism, keys_ppm=keys)


def orders() -> list[Order]:
    return [
        Order(
            order_id=f"{name}-{n}",
            participant=name,
            metering_point=f"mp-{name}",
            side=side,
            quantity_wh=wh,
            limit_micro_per_kwh=limit + (0 if side is Side.SELL else 100_000 - 2 * (limit - 150_000)),
            firmness=Firmness.FLEXIBLE,
        )
        for name, side in (("anna", Side.SELL), ("bela", Side.BUY))
        for n, (wh, limit) in enumerate(STEPS)
    ]


def clear_round(community: Engine, mechanism: str, interval: DeliveryInterval, clock: StandingClock) -> None:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        adopt_choice(connection, choice(mechanism), next_s=0)
    market = MarketDesk(engine=community, clock=clock, network=None, histories=Histories(community, minutes=15))
    open_gate(market, interval)
    with writing(community) as connection:
        place_orders(connection, orders(), start_s=NOON_S, origin="person", placed_s=clock.now_s)
    clearing = run_gate_closure(market, interval)
    assert clearing is not None
    assert (clearing.rules.mechanism, clearing.traded_wh > 0) == (mechanism, True)


@pytest.mark.parametrize("delivered", [(250, 250), (120, 250), (250, 90)], ids=["kept", "sun-short", "load-short"])
@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_a_round_of_every_mechanism_ends_in_settled_money(
    community: Engine, mechanism: str, delivered: tuple[int, int]
) -> None:
    interval, clock = DeliveryInterval.at(NOON_S), StandingClock(NOON_S - 2 * SLOT_S)
    clear_round(community, mechanism, interval, clock)
    exported_wh, imported_wh = delivered
    energies = [
        IntervalEnergy(metering_point="mp-anna", interval=interval, import_wh=0, export_wh=exported_wh),
        IntervalEnergy(metering_point="mp-bela", interval=interval, import_wh=imported_wh, export_wh=0),
    ]
    with writing(community) as connection:
        save_substitutes(connection, energies, received_s=NOON_S + SLOT_S)
    clock.now_s = NOON_S + 2 * SLOT_S
    desk = SettlementDesk(engine=community, clock=clock, ledger=None, period_minutes=15, anchor_s=NOON_S)
    sequence = settle_period(desk, Period(first_start_s=NOON_S, end_s=NOON_S + SLOT_S))
    with reading(community) as connection:
        batch = load_prepared(connection, sequence)
    assert batch.rounds[0].mechanism == mechanism
    assert sum(batch.member_deltas_nano.values()) + sum(batch.system_deltas_nano.values()) == 0
    assert batch.member_deltas_nano[2] < 0 < batch.member_deltas_nano[1]


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
def test_a_member_is_told_why_by_the_way_the_round_was_cleared(
    community: Engine, web_app: APIFlask, clock: StandingClock, mechanism: str
) -> None:
    clock.now_s = NOON_S - 2 * SLOT_S
    clear_round(community, mechanism, DeliveryInterval.at(NOON_S), clock)
    page = html.unescape(member(web_app, "bela").get(f"/why/{NOON_S}").text)
    told = [name for name, sentence in RULE_TEXT.items() if str(sentence) in page]
    assert told == ([] if mechanism == DEFAULT_MECHANISM else [mechanism])
    assert ("the price moved towards" in page) == (mechanism == DEFAULT_MECHANISM)


def test_what_is_configured_is_what_holds_from_the_next_open_gate(community: Engine, tmp_path: Path) -> None:
    keys = (
        '[market]\nmechanism = "static_key"\ncommunity_price_micro_per_kwh = 150000\n[market.keys_ppm]\nanna = 700000\n'
    )
    settings = settings_from(tmp_path, COMMUNITY + keys + ANNA + BEN)
    wanted = MarketChoice(mechanism="static_key", community_price_micro_per_kwh=150_000, keys_ppm={"anna": 700_000})
    assert settings.market == wanted
    with writing(community) as connection:
        assert adopt_choice(connection, settings.market, next_s=NOON_S) == [
            "the market is static_key from 2025-06-16 12:00 UTC"
        ]
        assert adopt_choice(connection, settings.market, next_s=NOON_S + SLOT_S) == []
        assert choice_at(connection, NOON_S - 1) == MarketChoice()
        assert choice_at(connection, NOON_S) == wanted


def test_nothing_configured_is_the_double_auction(tmp_path: Path) -> None:
    assert settings_from(tmp_path, COMMUNITY + ANNA).market.mechanism == DEFAULT_MECHANISM


@pytest.mark.parametrize(
    ("market", "problem"),
    [
        ('mechanism = "lottery"', "market: mechanism 'lottery' does not exist; choose from k_double_auction"),
        (
            'mechanism = "fixed_price"\ncommunity_price_micro_per_kwh = 150050',
            "market: the community price 150050 is off",
        ),
        ("community_price_micro_per_kwh = 150000", "market: k_double_auction makes its own price"),
        ('mechanism = "static_key"\nkeys_ppm = {zoe = 1}', "market.keys_ppm.zoe: is no member: use the id of one"),
        ('mechanism = "static_key"\nkeys_ppm = {anna = -1}', "market.keys_ppm.anna: is -1: use at least 0"),
        ('mechanism = "static_key"\nkeys_ppm = {anna = 600000, ben = 400001}', "add up to 1000001 parts per million"),
        ('mechanism = "dynamic_key"\nkeys_ppm = {anna = 1}', "market: dynamic_key takes no keys"),
        ('mecanism = "mcafee"', "market.mecanism: is unknown here"),
    ],
)
def test_a_market_that_cannot_be_is_refused_with_its_key(tmp_path: Path, market: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        settings_from(tmp_path, f"{COMMUNITY}[market]\n{market}\n{ANNA}{BEN}")
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
