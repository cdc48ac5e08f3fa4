"""Treasurers come from the configuration: they keep the accounts, are renamed and suspended, and are never members."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.audit import entries
from app.errors import InputError
from app.storage.database import reading, writing
from app.storage.store.members import Participant, add_participant, participant, participants
from tests.app.configurations import ANNA, BEN, COMMUNITY
from tests.app.test_founding_members import start

TINA = """
[[treasurers]]
id = "tina"
name = "Tina"
email = "Tina@example.org"
"""
HOMES = COMMUNITY + ANNA + BEN


def test_a_treasurer_is_added_once_and_is_no_member_of_the_ledger(engine: Engine, tmp_path: Path) -> None:
    assert "treasurer tina added" in start(engine, tmp_path, HOMES + TINA)
    assert start(engine, tmp_path, HOMES + TINA) == ()
    with reading(engine) as connection:
        (tina,) = participants(connection, role="treasurer")
        told = [each.detail for each in entries(connection)]
    assert (tina.id, tina.email, tina.lane, tina.status) == ("tina", "tina@example.org", None, "active")
    assert "treasurer tina added" in told


def test_a_treasurer_who_is_gone_from_the_file_is_suspended_and_may_come_back(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, HOMES + TINA)
    assert start(engine, tmp_path, HOMES) == ("treasurer tina is not in the configuration any more: suspended",)
    assert start(engine, tmp_path, HOMES) == ()
    with reading(engine) as connection:
        assert participant(connection, "tina").is_suspended
    renamed = TINA.replace('"Tina"', '"Tina T."')
    assert start(engine, tmp_path, HOMES + renamed) == (
        "treasurer tina is back",
        "treasurer tina changed: name or email",
    )


def test_a_treasurer_made_otherwise_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, HOMES)
    with writing(engine) as connection:
        add_participant(connection, Participant(id="theo", display_name="Theo", role="treasurer"))
    assert start(engine, tmp_path, HOMES) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HOMES + TINA.replace("tina", "anna"), "treasurers[0].id: 'anna' is there twice"),
        (HOMES + TINA + TINA, "treasurers[1].id: 'tina' is there twice"),
        (HOMES + TINA.replace('"tina"', '"operator"'), "treasurers: id 'operator': use up to 40 letters"),
        (HOMES + TINA.replace("Tina@", "ben@"), "ben and tina have the same email"),
        (HOMES + TINA.replace('email = "Tina@example.org"', ""), "treasurers[0].email: is missing"),
        (HOMES + TINA + "phone = 1\n", "treasurers[0].phone: is unknown here"),
    ],
)
def test_what_cannot_be_is_named_and_nobody_is_added(engine: Engine, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        start(engine, tmp_path, text)
    assert says in str(refused.value)
    with reading(engine) as connection:
        assert participants(connection) == ()


def test_a_member_who_left_the_file_does_not_come_back_as_a_treasurer(engine: Engine, tmp_path: Path) -> None:
    start(engine, tmp_path, HOMES)
    with pytest.raises(InputError, match="treasurers: id 'ben' is somebody else's"):
        start(engine, tmp_path, COMMUNITY + ANNA + TINA.replace("tina", "ben"))
