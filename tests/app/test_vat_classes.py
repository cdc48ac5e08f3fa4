"""A member's class of value-added tax changes from a day on: bills, corrections and proofs take the class of then."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.audit import entries
from app.errors import InputError
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.members import participant
from app.storage.store.vat_classes import VatHistory, vat_history
from app.vat_classes import change_vat_class
from contracts.tariff import Tariff
from tests.app.configurations import ANNA, BEN, COMMUNITY
from tests.app.delivered_day import DAY_START_S
from tests.app.neighbourhood import NOON_S
from tests.app.signed_day import KEY, SignedDay, correct, silent_afternoon
from tests.app.signed_meters import bill_lines, statement_file, verified, verified_by_stranger
from tests.app.test_founding_members import NOW_S, OPEN_GATE_S, start

NEXT_DAY = date(2025, 6, 17)
NEXT_DAY_S = DAY_START_S + 86_400


@pytest.fixture
def taxed(tmp_path: Path) -> Iterator[SignedDay]:
    """bela's afternoon is late, and from the next day on she pays no tax; the correction comes weeks later."""
    day = SignedDay(tmp_path, KEY)
    silent_afternoon(day)
    with writing(day.engine) as connection:
        change_vat_class(connection, "bela", "exempt", from_day=NEXT_DAY, actor="olga", now_s=NEXT_DAY_S - 1)
    correct(day)
    yield day
    day.access.close()


def test_a_correction_is_taxed_as_on_the_day_it_corrects_and_both_verifiers_agree(
    taxed: SignedDay, tmp_path: Path
) -> None:
    june, july = (statement_file(tmp_path, "bela", month, name=f"{month}.json") for month in ("2025-06", "2025-07"))
    bought_wh, bought_nano = bill_lines(june)["energy_bought"]
    charges = Tariff(version="of then").shared_charges_micro_per_kwh * bought_wh
    taxes_floored = 14  # one for each quarter-hour in which something was bought
    due_nano = (bought_nano + charges) // 5
    assert due_nano - taxes_floored <= bill_lines(june)["vat"][1] <= due_nano
    assert (bill_lines(july)["energy_bought"][0] > 0, bill_lines(july)["vat"][1]) == (True, 0)
    correction = json.loads(june.read_text())["batches"][1]
    assert correction["vat_class"] == "exempt"
    assert {each.get("vat_class") for each in correction["intervals"] if each["points"]} == {"private", None}
    for file in (june, july):
        ours = verified(file, tmp_path)
        assert ours.exit_code == 0, ours.output
        stranger = verified_by_stranger(file, taxed.access.embedded)
        assert (stranger.returncode, stranger.stderr) == (0, "")


@pytest.mark.parametrize("altered_class", ["exempt", "royal"])
def test_another_class_for_a_day_is_refused_by_both(taxed: SignedDay, tmp_path: Path, altered_class: str) -> None:
    file = statement_file(tmp_path, "bela", "2025-06")
    document = json.loads(file.read_text())
    for each in document["batches"][1]["intervals"]:
        if "vat_class" in each:
            each["vat_class"] = altered_class
    file.write_text(json.dumps(document))
    assert verified(file, tmp_path).exit_code == 1
    assert verified_by_stranger(file, taxed.access.embedded).returncode == 1


def test_the_history_says_which_class_held_when() -> None:
    history = VatHistory(first="private", changes=((100, "business"), (200, "exempt")))
    assert [history.at(instant_s) for instant_s in (0, 99, 100, 199, 200, 1_000)] == [
        "private",
        "private",
        "business",
        "business",
        "exempt",
        "exempt",
    ]


def test_a_change_from_a_day_to_come_is_kept_and_audited(any_community: Engine) -> None:
    with writing(any_community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        for vat_class in ("business", "exempt"):  # planned twice for one day: the last word counts
            from_s = change_vat_class(
                connection, "bela", vat_class, from_day=NEXT_DAY, actor="olga", now_s=NOON_S - 86_400
            )
    with reading(any_community) as connection:
        assert vat_history(connection, "bela") == VatHistory(first="private", changes=((NEXT_DAY_S, "exempt"),))
        assert vat_history(connection, "anna").changes == ()
        newest = entries(connection)[0]
    assert from_s == NEXT_DAY_S
    assert (newest.actor, newest.action, newest.subject) == ("olga", "vat_class.changed", "bela")
    assert newest.detail == "exempt from 2025-06-17"


@pytest.mark.parametrize(
    ("member", "vat_class", "day", "says"),
    [
        ("zoe", "business", NEXT_DAY, "there is no member 'zoe'"),
        ("olga", "business", NEXT_DAY, "there is no member 'olga'"),
        ("bela", "royal", NEXT_DAY, "no VAT class 'royal'"),
        ("bela", "business", date(2025, 6, 16), "2025-06-16 has begun"),
        ("bela", "private", NEXT_DAY, "is in 'private' on 2025-06-17 already"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    community: Engine, member: str, vat_class: str, day: date, says: str
) -> None:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
    with writing(community) as connection, pytest.raises(InputError) as refused:
        change_vat_class(connection, member, vat_class, from_day=day, actor="olga", now_s=NOON_S)
    assert says in str(refused.value)


def test_a_community_without_a_tariff_has_no_classes(community: Engine) -> None:
    with writing(community) as connection, pytest.raises(InputError, match="has no tariff yet"):
        change_vat_class(connection, "bela", "business", from_day=NEXT_DAY, actor="olga", now_s=NOON_S)


def classed(vat_class: str, day: str = "") -> str:
    since = f"\nvat_class_from = {day}" if day else ""
    return COMMUNITY + ANNA.replace('name = "Anna"', f'name = "Anna"\nvat_class = "{vat_class}"{since}') + BEN


def test_the_configuration_changes_a_class_from_its_day_or_the_first_open_gate(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, classed("private"))
    assert start(engine, tmp_path, classed("business")) == (
        "member anna is in VAT class business from 2026-05-12 09:30 UTC",
    )
    planned = classed("exempt", "2026-07-01")
    assert start(engine, tmp_path, planned) == ("member anna is in VAT class exempt from 2026-06-30 22:00 UTC",)
    assert start(engine, tmp_path, planned) == ()
    july_s = int(datetime(2026, 6, 30, 22, tzinfo=UTC).timestamp())
    assert start(engine, tmp_path, planned, now_s=july_s + 1) == ()
    with reading(engine) as connection:
        assert participant(connection, "anna").vat_class == "private"
        assert vat_history(connection, "anna").changes == ((OPEN_GATE_S, "business"), (july_s, "exempt"))


@pytest.mark.parametrize("file", [("private", ""), ("business", "2026-06-01")])
def test_what_operators_changed_since_is_not_undone_by_a_start(
    engine: Engine, tmp_path: Path, file: tuple[str, str]
) -> None:
    start(engine, tmp_path, classed("private"))
    start(engine, tmp_path, classed(*file))
    with writing(engine) as connection:
        change_vat_class(connection, "anna", "exempt", from_day=date(2026, 9, 1), actor="olga", now_s=NOW_S)
    october_s = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
    assert start(engine, tmp_path, classed(*file), now_s=october_s) == ()
    with reading(engine) as connection:
        assert vat_history(connection, "anna").at(october_s) == "exempt"
    back = start(engine, tmp_path, classed(file[0], "2027-01-01"), now_s=october_s)
    assert back == (f"member anna is in VAT class {file[0]} from 2026-12-31 23:00 UTC",)


def test_a_class_from_a_day_that_has_passed_is_refused(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, classed("private"))
    with pytest.raises(InputError, match="member anna: vat_class_from has passed"):
        start(engine, tmp_path, classed("business", "2026-05-01"), now_s=NOW_S)


def test_a_new_member_is_in_a_class_from_the_first_day_on(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a new member has no class before it"):
        start(engine, tmp_path, classed("business", "2026-07-01"))
    start(engine, tmp_path, classed("business", "2026-05-01"))
    with reading(engine) as connection:
        assert participant(connection, "anna").vat_class == "business"


def test_a_day_in_quotes_is_named_as_a_mistake(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"members\[0\].vat_class_from: is no day: write 2027-01-01"):
        start(engine, tmp_path, classed("business", '"2026-07-01"'))
