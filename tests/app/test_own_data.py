"""A member's file holds every row about them and no row about another; leaving is asked, seen and taken back."""

import csv
import html
import io
import json
import re
import zipfile
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, select
from sqlmodel import SQLModel

from app.auth_pages import limiter
from app.own_data import LEFT_OUT, SECRET_WORDS, own_data_zip, own_tables
from app.platform import EXTENSION
from app.storage.database import reading, writing
from app.storage.store.member_choices import choice_of
from app.storage.store.orders import ORDERS
from tests.app.community_day import HOMES, NOW
from tests.app.street_server import member, post

NOW_S = int(NOW.timestamp())
# What a column must be called to hold a member, a connection, a meter, an order or an account.
TELLING = {"participant_id", "metering_point_id", "device_id", "order_id", "window_id", "debit", "credit", "actor"}
TELLING |= {"subject", "to_address", "email", "sign_in_for", "member_id", "account"}
# Tables of which an actor is only who did it.
DEEDS = {"settlement_run", "task"}


@pytest.fixture(autouse=True)
def unlimited() -> Iterator[None]:
    limiter.enabled = False
    yield
    limiter.enabled = True


def engine_of(app: Flask) -> Engine:
    engine: Engine = app.extensions[EXTENSION].engine
    return engine


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def names_of(connection: Connection, home: str) -> set[object]:
    """Everything by which a row can name a home."""
    orders = connection.execute(select(ORDERS.c.order_id).where(ORDERS.c.participant_id == home)).scalars()
    return {home, f"MP-{home}", f"D-{home}", f"member:{home}", f"{home.lower()}@street.invalid", *orders}


def test_every_table_that_names_a_member_is_in_the_file_or_left_out_with_a_reason() -> None:
    included = {each.table.name for each in own_tables()}
    assert not included & set(LEFT_OUT)
    for name, table in SQLModel.metadata.tables.items():
        if TELLING & set(table.columns.keys()) and name not in DEEDS:
            assert name in included or LEFT_OUT.get(name), f"{name} names members: put it into the file or say why not"
    assert set(LEFT_OUT) <= set(SQLModel.metadata.tables)


def test_every_column_is_handed_out_but_secrets() -> None:
    for each in own_tables():
        assert {column.name for column in each.columns} | set(each.secrets) == set(each.table.columns.keys())
        assert all(any(word in name for word in SECRET_WORDS) for name in each.secrets)


@pytest.mark.parametrize("home", ["M02", "M03"])
def test_the_file_holds_exactly_the_rows_that_name_the_home(street_app: Flask, home: str) -> None:
    answer = member(street_app, home).get("/data/everything.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    rows_in_all = 0
    with reading(engine_of(street_app)) as connection:
        names = names_of(connection, home)
        for each in own_tables():
            rows = connection.execute(select(each.table)).all()
            expected = sum(any(value in names for value in row if isinstance(value, str)) for row in rows)
            told = json.loads(archive.read(f"{each.table.name}.json"))
            table = list(csv.DictReader(io.StringIO(archive.read(f"{each.table.name}.csv").decode())))
            assert len(told) == len(table) == expected, each.table.name
            for one, other in zip(told, table, strict=True):
                assert {key: "" if value is None else str(value) for key, value in one.items()} == other
            rows_in_all += expected
    assert rows_in_all > 500
    everything = "".join(archive.read(name).decode() for name in archive.namelist())
    for other in set(HOMES) - {home}:
        assert f"MP-{other}" not in everything
        assert f"member:{other}" not in everything
    assert "scrypt" not in everything
    assert "argon2" not in everything
    readme = archive.read("README.txt").decode()
    assert all(each.table.name in readme for each in own_tables())
    assert all(reason in readme for reason in LEFT_OUT.values())


def test_the_file_is_written_in_pieces_and_not_held_as_a_whole(street_app: Flask) -> None:
    with reading(engine_of(street_app)) as connection:
        pieces = [len(piece) for piece in own_data_zip(connection, "M02", now_s=NOW_S)]
    assert len(pieces) > 50
    assert max(pieces) < sum(pieces) / 3


def test_the_file_is_complete_on_either_database(any_community: Engine) -> None:
    with reading(any_community) as connection:
        archive = zipfile.ZipFile(io.BytesIO(b"".join(own_data_zip(connection, "anna", now_s=NOW_S))))
    assert [row["id"] for row in json.loads(archive.read("meteringpoint.json"))] == ["mp-anna"]
    assert [row["id"] for row in json.loads(archive.read("device.json"))] == ["d-anna"]
    assert json.loads(archive.read("reading.json")) == []


def test_a_member_asks_to_leave_operators_see_it_and_it_can_be_taken_back(own_street: Flask) -> None:
    browser, operator = member(own_street, "M02"), member(own_street, "OP")
    answer = post(browser, "/data", "/data/leave", {"leave": "yes", "erase": "yes"})
    assert answer.status_code == 302
    with writing(engine_of(own_street)) as connection:
        choice = choice_of(connection, "M02")
    assert (choice.leave_asked_s, choice.leave_erases) == (NOW_S, True)
    assert "You asked to leave on" in shown(browser.get("/data").text)
    assert "Home 2 asks to leave the community." in shown(operator.get("/operator").text)
    post(browser, "/data", "/data/leave", {"leave": "no"})
    assert "asks to leave" not in shown(operator.get("/operator").text)
    assert browser.post("/data/leave", data={"leave": "yes"}).status_code == 400
