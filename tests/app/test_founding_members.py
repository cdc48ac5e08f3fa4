"""Founding from a configuration: members come, change and go; nothing is ever deleted, and mistakes are named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.community import community_at
from app.errors import InputError
from app.founding import configured, found
from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.devices import devices_by_point, find_gateway
from app.storage.store.members import contract_at, metering_point, participant, participants
from app.worker import network_of
from tests.app.configurations import ANNA, BEN, CEM, COMMUNITY, member, settings_from

NOW_S = int(datetime(2026, 5, 12, 9, 7, tzinfo=UTC).timestamp())
NEXT_S, OPEN_GATE_S = NOW_S // 900 * 900 + 900, NOW_S // 900 * 900 + 1800
MIDNIGHT_S = int(datetime(2026, 5, 11, 22, tzinfo=UTC).timestamp())  # in Berlin


def start(engine: Engine, folder: Path, text: str, *, now_s: int = NOW_S) -> tuple[str, ...]:
    settings = settings_from(folder, text)
    network = network_of(configured(settings).network)
    return found(engine, settings, network, now_s=now_s)


def test_a_configuration_becomes_a_community_whose_members_can_trade(engine: Engine, tmp_path: Path) -> None:
    done = start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    with reading(engine) as connection:
        community = community_at(connection, MIDNIGHT_S)
        assert community.community.name == "Hill Road"
        assert {point: (home.owner.lane, home.point.bus) for point, home in community.homes.items()} == {
            "MP-anna": (0, 0),
            "MP-ben": (1, 0),
        }
        assert devices_by_point(connection)["MP-anna"].gateway_id == "G1"
        assert [person.id for person in participants(connection, role="operator")] == ["operator"]
    assert "member anna added" in done


def test_a_start_without_changes_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    with reading(engine) as connection:
        before = community_at(connection, OPEN_GATE_S)
    assert start(engine, tmp_path, COMMUNITY + ANNA + BEN, now_s=NOW_S + 86_400) == ()
    with reading(engine) as connection:
        assert community_at(connection, OPEN_GATE_S) == before


def test_a_new_member_joins_with_the_next_interval_and_the_next_lane(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    assert start(engine, tmp_path, COMMUNITY + ANNA + CEM + BEN) == ("member cem added",)
    with reading(engine) as connection:
        assert participant(connection, "cem").lane == 2
        assert contract_at(connection, "cem", NEXT_S - 1) is None
        assert contract_at(connection, "cem", NEXT_S) is not None


def test_a_changed_price_holds_from_the_first_open_gate_and_leaves_the_past_alone(
    engine: Engine, tmp_path: Path
) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    done = start(engine, tmp_path, COMMUNITY + member("Anna", price=210_000, port=1501) + BEN)
    assert done == ("member anna has new supplier prices from 2026-05-12 09:30 UTC",)
    with reading(engine) as connection:
        prices = [
            contract_at(connection, "anna", instant_s).supplier_price_micro_per_kwh
            for instant_s in (MIDNIGHT_S, OPEN_GATE_S - 1, OPEN_GATE_S, OPEN_GATE_S + 86_400)
        ]
    assert prices == [190_000, 190_000, 210_000, 210_000]


def test_two_price_changes_in_one_interval_leave_only_the_last(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA)
    start(engine, tmp_path, COMMUNITY + member("Anna", price=210_000, port=1501))
    start(engine, tmp_path, COMMUNITY + member("Anna", price=220_000, port=1501), now_s=NOW_S + 60)
    with reading(engine) as connection:
        assert contract_at(connection, "anna", OPEN_GATE_S).supplier_price_micro_per_kwh == 220_000


def test_who_is_gone_from_the_file_is_suspended_and_kept(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    assert start(engine, tmp_path, COMMUNITY + ANNA) == ("member ben is not in the configuration any more: suspended",)
    assert start(engine, tmp_path, COMMUNITY + ANNA, now_s=NOW_S + 60) == ()
    with reading(engine) as connection:
        assert participant(connection, "ben").is_suspended
        assert "MP-ben" in community_at(connection, MIDNIGHT_S).homes
        assert "MP-ben" not in community_at(connection, OPEN_GATE_S).homes


def test_who_comes_back_keeps_the_lane_and_trades_again(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA + BEN)
    start(engine, tmp_path, COMMUNITY + ANNA)
    assert "member ben is back" in start(engine, tmp_path, COMMUNITY + ANNA + BEN, now_s=NOW_S + 7200)
    with reading(engine) as connection:
        ben = community_at(connection, NOW_S + 2 * 7200).homes["MP-ben"]
    assert (ben.owner.lane, ben.trades) == (1, True)


def test_a_changed_plant_name_and_gateway_are_stored(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA)
    changed = ANNA.replace('name = "Anna"', 'name = "Anna B."\ngeneration_w = 9000').replace(
        "[members.meter]", '[members.meter]\ngateway = "mill-lane"'
    )
    done = start(engine, tmp_path, COMMUNITY + changed)
    with reading(engine) as connection:
        assert participant(connection, "anna").display_name == "Anna B."
        assert metering_point(connection, "MP-anna").generation_w == 9_000
        assert find_gateway(connection, "mill-lane").status == "pending"
    assert any("gateway enroll --code" in line for line in done)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no [community]"),
        (COMMUNITY, "no [[members]]"),
        (COMMUNITY + ANNA.replace('id = "anna"', 'id = "anna b"'), "use up to 40 letters"),
        (COMMUNITY + ANNA.replace('id = "anna"', 'id = "operator"'), "not operator"),
        (COMMUNITY + ANNA + BEN.replace("ben@example.org", "Anna@example.org"), "anna and ben have the same email"),
        (
            COMMUNITY + ANNA.replace('name = "Anna"', 'name = "Anna"\nbus = "house 7"'),
            "member anna: the network has no",
        ),
        (COMMUNITY.replace("transformer:100", "nowhere.json") + ANNA, "community.network: network 'nowhere.json'"),
        (COMMUNITY + ANNA.replace('name = "Anna"', 'name = "Anna"\nvat_class = "royal"'), "no VAT class 'royal'"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_stored(engine: Engine, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        start(engine, tmp_path, text)
    assert said in str(refused.value)
    with reading(engine) as connection:
        assert participants(connection) == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("market_time_unit_minutes = 15", "market_time_unit_minutes = 5", "market_time_unit_minutes was 15"),
        ("[community]", '[community]\ntimezone = "Europe/Vienna"', "timezone was Europe/Berlin"),
    ],
)
def test_what_the_ledger_rests_on_cannot_change(
    engine: Engine, tmp_path: Path, before: str, after: str, said: str
) -> None:
    start(engine, tmp_path, COMMUNITY + ANNA)
    with pytest.raises(InputError, match=said):
        start(engine, tmp_path, COMMUNITY.replace(before, after) + ANNA)


def test_a_network_folder_beside_the_file_is_found_and_its_members_are_placed(engine: Engine, tmp_path: Path) -> None:
    street = tmp_path / "street"
    street.mkdir()
    (street / "transformer.csv").write_text("sn_kva,name\n100,Mill Lane\n")
    (street / "cables.csv").write_text(
        "name,from_node,to_node,type,length_m,members\nC1,station,house1,NAYY 4x50 SE,40,MP-anna\n"
    )
    start(engine, tmp_path, COMMUNITY.replace("transformer:100", "street") + ANNA)
    with reading(engine) as connection:
        network = network_of(the_community(connection).network)
        assert metering_point(connection, "MP-anna").bus == network.bus_index("house1")
    with pytest.raises(InputError, match="member ben: bus is missing"):
        start(engine, tmp_path, COMMUNITY.replace("transformer:100", "street") + ANNA + BEN)


def test_a_network_with_an_island_is_refused(tmp_path: Path) -> None:
    street = tmp_path / "street"
    street.mkdir()
    (street / "transformer.csv").write_text("sn_kva,name\n100,Mill Lane\n")
    (street / "cables.csv").write_text(
        "name,from_node,to_node,type,length_m,members\n"
        "C1,station,house1,NAYY 4x50 SE,40,MP-anna\nC2,box9,house9,NAYY 4x50 SE,40,MP-ben\n"
    )
    with pytest.raises(InputError, match=r"^community\.network: "):
        network_of(str(street))
