"""Members whom operators keep in the browser: joining, new contracts, leaving, beside those of the configuration."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.audit import entries
from app.community import community_at
from app.errors import InputError
from app.founding import configured, found
from app.joining import Connected, Newcomer, agree_contract, bus_in, end_membership, join
from app.storage.database import reading, writing
from app.storage.store.by_hand import members_by_hand
from app.storage.store.community import add_tariff, save_drawing
from app.storage.store.devices import devices_by_point, find_gateway
from app.storage.store.members import SupplyContract, contract_at, participant
from app.storage.store.rounds import open_rounds
from app.worker import Worker, network_of
from contracts.tariff import Tariff
from tests.app.configurations import ANNA, BEN, CEM, COMMUNITY, settings_from
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock
from tests.app.test_member_files import newcomer_of

NOW_S = NOON_S + 420  # 12:07
NEXT_S, OPEN_GATE_S = NOON_S + 900, NOON_S + 1800
DRAWING = {
    "buses": [
        {"id": 0, "name": "station", "vn_kv": 20.0},
        {"id": 4, "name": "house 1", "vn_kv": 0.4},
        {"id": 7, "name": "twin", "vn_kv": 0.4},
        {"id": 8, "name": "twin", "vn_kv": 0.4},
    ]
}


@pytest.fixture
def hill(any_community: Engine) -> Engine:
    """The neighbourhood with a tariff and a network of three low-voltage buses."""
    with writing(any_community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="1").to_json()))
        save_drawing(connection, json.dumps(DRAWING))
    return any_community


def cora(**changed: str) -> Newcomer:
    return newcomer_of(id="cora", name="Cora", email="cora@example.org", bus="house 1", **changed)


def add(engine: Engine, newcomer: Newcomer, *, now_s: int = NOW_S) -> None:
    with writing(engine) as connection:
        join(connection, newcomer, actor="olga", now_s=now_s)


def supply(member: str, price: int, from_s: int) -> SupplyContract:
    return SupplyContract(
        participant_id=member,
        supplier_price_micro_per_kwh=price,
        feed_in_price_micro_per_kwh=60_000,
        valid_from_s=from_s,
    )


def test_who_joins_is_in_the_market_from_the_next_interval_on(hill: Engine) -> None:
    add(hill, cora(generation_w="5000", gateway="barn", meter_profile="eastron_sdm630"))
    with reading(hill) as connection:
        assert "MP-cora" not in community_at(connection, NEXT_S - 1).homes
        home = community_at(connection, NEXT_S).homes["MP-cora"]
        assert (home.owner.lane, home.point.bus, home.point.generation_w) == (3, 4, 5_000)
        assert home.contract.supplier_price_micro_per_kwh == 190_000
        assert devices_by_point(connection)["MP-cora"].id == "D-cora"
        assert find_gateway(connection, "barn") is not None
        newest = entries(connection, limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == ("olga", "member.added", "cora")
    assert "from 2025-06-16 12:15 UTC, connected as MP-cora" in newest.detail


def test_a_membership_may_begin_and_end_on_days_to_come(hill: Engine) -> None:
    first_s, last_s = NOON_S + 5 * DAY_S, NOON_S + 9 * DAY_S
    add(hill, replace(cora(), from_s=first_s, until_s=last_s))
    with reading(hill) as connection:
        held = [
            contract_at(connection, "cora", at_s) is not None for at_s in (first_s - 1, first_s, last_s - 1, last_s)
        ]
    assert held == [False, True, True, False]


def test_one_member_may_have_several_metering_points(hill: Engine) -> None:
    one = cora()
    roof = Connected(point_id="AT001-roof", member=replace(one.member, bus="7", generation_w=9_000))
    add(hill, replace(one, points=(*one.points, roof)))
    with reading(hill) as connection:
        homes = community_at(connection, NEXT_S).homes
    assert {point: home.point.bus for point, home in homes.items() if home.owner.id == "cora"} == {
        "MP-cora": 4,
        "AT001-roof": 7,
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "anna"}, "id: anna is taken"),
        ({"id": "operator"}, "and not operator"),
        ({"id": "a/b"}, "use up to 40 letters"),
        ({"email": "BELA@example.org"}, "belongs to somebody already"),
        ({"vat_class": "noble"}, "has no VAT class 'noble'"),
        ({"bus": "house 9"}, "is no bus of the network"),
        ({"bus": "twin"}, "is the name of 2 buses: give the index"),
        ({"bus": ""}, "bus: is missing: name one of the network's 3 buses"),
    ],
)
def test_who_cannot_join_is_told_why_and_nothing_is_stored(hill: Engine, wrong: dict[str, str], said: str) -> None:
    values = {"id": "cora", "name": "Cora", "email": "c@example.org", "bus": "house 1"} | wrong
    with pytest.raises(InputError, match=said):
        add(hill, newcomer_of(**values))
    with reading(hill) as connection:
        assert members_by_hand(connection) == frozenset()
        assert "MP-cora" not in community_at(connection, NEXT_S).homes


def test_a_metering_point_is_connected_once(hill: Engine) -> None:
    taken = replace(cora().points[0], point_id="mp-anna")
    with pytest.raises(InputError, match="mp-anna is taken"):
        add(hill, replace(cora(), points=(taken,)))


def test_without_a_network_there_is_no_bus_and_with_one_low_bus_none_has_to_be_named() -> None:
    assert bus_in({}, "") is None
    assert bus_in({"buses": DRAWING["buses"][:2]}, "") == 4
    assert bus_in(DRAWING, "8") == 8


def test_other_prices_hold_from_their_day_and_never_before_the_open_gate(hill: Engine) -> None:
    add(hill, cora())
    later_s = NOON_S + 10 * DAY_S
    with writing(hill) as connection:
        agree_contract(connection, supply("cora", 200_000, NOON_S - DAY_S), actor="olga", now_s=NOW_S)
        agree_contract(connection, supply("cora", 210_000, later_s), actor="olga", now_s=NOW_S)
    with reading(hill) as connection:
        prices = [
            contract_at(connection, "cora", at_s).supplier_price_micro_per_kwh
            for at_s in (NEXT_S, OPEN_GATE_S - 1, OPEN_GATE_S, later_s - 1, later_s)
        ]
    assert prices == [190_000, 190_000, 200_000, 200_000, 210_000]
    with pytest.raises(InputError, match="give a later day"), writing(hill) as connection:
        agree_contract(connection, supply("cora", 199_000, later_s - DAY_S), actor="olga", now_s=NOW_S)
    with pytest.raises(InputError, match="swapped"), writing(hill) as connection:
        agree_contract(connection, supply("cora", 1, later_s + DAY_S), actor="olga", now_s=NOW_S)


def test_a_membership_ends_after_the_last_round_that_may_hold_its_orders_and_can_begin_again(hill: Engine) -> None:
    add(hill, cora())
    with writing(hill) as connection:
        open_rounds(connection, [NOON_S + 4 * 900])
        ended_s = end_membership(connection, "cora", end_s=NOON_S, actor="olga", now_s=NOW_S)
    assert ended_s == NOON_S + 5 * 900
    with reading(hill) as connection:
        assert contract_at(connection, "cora", ended_s - 1) is not None
        assert contract_at(connection, "cora", ended_s) is None
        assert participant(connection, "cora").status == "active"  # bills can still be read
    with pytest.raises(InputError, match="ends already"), writing(hill) as connection:
        end_membership(connection, "cora", end_s=NOON_S, actor="olga", now_s=NOW_S)
    with writing(hill) as connection:
        agree_contract(connection, supply("cora", 200_000, NOON_S + DAY_S), actor="olga", now_s=NOW_S)
        assert contract_at(connection, "cora", NOON_S + DAY_S) is not None
        assert contract_at(connection, "cora", NOON_S + DAY_S - 1) is None


def test_where_no_home_has_a_contract_no_round_is_held_and_it_is_said(hill: Engine) -> None:
    with reading(hill) as connection:
        snapshot = community_at(connection, NOON_S)
    with pytest.raises(InputError, match="no home has a contract"):
        replace(snapshot, homes={}).market_rules()


def test_who_is_kept_in_the_configuration_is_changed_there(hill: Engine) -> None:
    for member, said in (("anna", "is kept in commonwatt.toml"), ("olga", "no member olga"), ("x", "no member x")):
        with pytest.raises(InputError, match=said), writing(hill) as connection:
            end_membership(connection, member, end_s=NOON_S, actor="olga", now_s=NOW_S)


def test_a_start_keeps_who_joined_in_the_browser_until_the_file_takes_them_over(engine: Engine, tmp_path: Path) -> None:
    def start(text: str) -> tuple[str, ...]:
        settings = settings_from(tmp_path, text)
        return found(engine, settings, network_of(configured(settings).network), now_s=NOW_S)

    start(COMMUNITY + ANNA + BEN)
    add(engine, newcomer_of(id="cem", name="Cem", email="cem@example.org"))
    assert start(COMMUNITY + ANNA + BEN) == ()
    start(COMMUNITY + ANNA + BEN + CEM)
    with reading(engine) as connection:
        assert members_by_hand(connection) == frozenset()
    assert start(COMMUNITY + ANNA + BEN) == ("member cem is not in the configuration any more: suspended",)


def test_a_running_worker_gives_who_joins_a_key_and_a_place_in_the_ledger(engine: Engine, tmp_path: Path) -> None:
    worker = Worker(settings_from(tmp_path, COMMUNITY + ANNA + BEN), engine, StandingClock(NOW_S))
    try:
        assert worker.prepare()
        assert worker.connect()
        add(engine, newcomer_of(id="cem", name="Cem", email="cem@example.org"))
        assert worker.connect()
        assert worker.ledger.connect().ledger.member_count() == 3
        with reading(engine) as connection:
            assert participant(connection, "cem").account_address is not None
    finally:
        worker.close()
