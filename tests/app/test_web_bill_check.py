"""Verify this bill, in the browser's words: one's own month, a file, an altered file, and what is no statement."""

import io
import json
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.auth_pages import limiter
from app.bill_check import steps_of
from app.platform import EXTENSION, Platform
from contracts.proofs import LineProof
from tests.app.street_server import member, post
from tests.app.test_web_household import shown

STEPS = (
    "The ledger is the right one",
    "Your days are in the ledger",
    "The readings are your meter's",
    "Prices and fees are those that applied",
    "Every quarter of an hour is computed right",
    "The bill adds up",
)


@pytest.fixture(autouse=True)
def without_limits():
    limiter.enabled = False
    yield
    limiter.enabled = True


@pytest.fixture
def client(street_app: Flask) -> FlaskClient:
    return member(street_app, "M02")


@pytest.fixture
def proof(client: FlaskClient) -> dict:
    return json.loads(client.get("/statements/2016-06.json").data)


def send(client: FlaskClient, **files: dict | bytes) -> TestResponse:
    """Send files as the form does."""
    contents = {
        name: (io.BytesIO(content if isinstance(content, bytes) else json.dumps(content).encode()), f"{name}.json")
        for name, content in files.items()
    }
    return post(client, "/verify", "/verify", contents)


def test_a_members_own_month_holds_step_by_step(client: FlaskClient) -> None:
    answer = post(client, "/verify", "/verify", {"month": "2016-06"})
    page = shown(answer.text)
    assert answer.status_code == 200
    assert "Everything holds M02, 2016-06:" in page
    for step in STEPS:
        assert f"{step} Holds" in page
    assert "could have written all of it anew" in page, "no older statement was given"


def test_a_file_holds_and_an_older_one_shows_that_nothing_was_rewritten(client: FlaskClient, proof: dict) -> None:
    page = shown(send(client, statement=proof, older=proof).text)
    assert "Everything holds" in page
    assert "still has the page that your older statement names" in page


def test_an_altered_figure_is_named_in_the_step_that_it_breaks(client: FlaskClient, proof: dict) -> None:
    proof["bill"]["total_cents"] += 1
    answer = send(client, statement=proof)
    page = shown(answer.text)
    assert answer.status_code == 200
    assert "Something does not hold" in page
    assert "The bill adds up Does not hold" in page
    assert "bill.total_cents" in page
    assert "Your days are in the ledger Holds" in page


def test_another_ledger_than_the_older_statement_names_does_not_hold(client: FlaskClient, proof: dict) -> None:
    older = {"block_number": proof["chain"]["checkpoint"]["block_number"], "block_hash": "0x" + "11" * 32}
    page = shown(send(client, statement=proof, older=json.dumps(older).encode()).text)
    assert "The ledger is the right one Does not hold" in page
    assert "it was rebuilt" in page


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "This file is no statement"),
        (b"\xff\xfe", "This file is no statement"),
        (b"[]", "not a statement"),
        (b'{"format": "commonwatt statement 1", "a": 1, "a": 1}', "given twice"),
        (b"[" * 100_000, "brackets"),
        (b"[]," * 500_000, "lists and objects"),
    ],
)
def test_what_is_no_statement_is_refused_in_a_sentence(client: FlaskClient, content: bytes, reason: str) -> None:
    answer = send(client, statement=content)
    assert answer.status_code == 422
    assert reason in shown(answer.text)
    assert "Traceback" not in answer.text


def test_an_older_statement_that_is_none_is_refused(client: FlaskClient, proof: dict) -> None:
    answer = send(client, statement=proof, older=b"{}")
    assert answer.status_code == 422
    assert "The older statement: no checkpoint in it" in shown(answer.text)


def test_a_file_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert send(client, statement=b" " * (17 * 1024 * 1024)).status_code == 413


@pytest.mark.parametrize("month", ["", "2016-13", "never", "2016-05", "2099-01"])
def test_a_month_that_is_none_or_has_nothing_is_refused(client: FlaskClient, month: str) -> None:
    assert post(client, "/verify", "/verify", {"month": month}).status_code in {404, 422}


def test_strangers_and_operators_are_refused_and_so_is_a_form_from_elsewhere(street_app: Flask) -> None:
    stranger = street_app.test_client()
    assert "/sign-in" in stranger.get("/verify").headers["Location"]
    assert stranger.post("/verify").status_code in {400, 401}
    assert member(street_app, "OP").get("/verify").status_code == 403
    assert member(street_app, "M02").post("/verify", data={"month": "2016-06"}).status_code == 400


def test_nobody_checks_more_often_than_the_limit_allows(street_app: Flask) -> None:
    limiter.enabled = True
    limiter.reset()
    client = member(street_app, "M02")
    answers = [post(client, "/verify", "/verify", {"month": "never"}).status_code for _ in range(7)]
    limiter.reset()
    assert answers == [404] * 6 + [429]


@pytest.mark.parametrize("silent", [None, lambda _: {"error": {"message": "down"}}, lambda _: "nothing"])
def test_without_an_answer_of_the_chain_nothing_is_judged(own_street: Flask, proof: dict, silent) -> None:
    known: Platform = own_street.extensions[EXTENSION]
    own_street.extensions[EXTENSION] = Platform(
        settings=known.settings, engine=known.engine, clock=known.clock, chain_rpc=silent
    )
    answer = send(member(own_street, "M02"), statement=proof)
    page = shown(answer.text)
    assert "Everything holds" not in page
    assert answer.status_code == 503 or "Does not hold" in page


def test_every_line_belongs_to_one_step_and_only_the_first_faults_are_shown() -> None:
    line = partial(LineProof, detail="")
    lines = [line(line=f"batches[0].intervals[{i}]", holds=i > 9) for i in range(20)]
    lines += [line(line=name, holds=True) for name in ("batches[1]", "batches[0].rounds[3]", "format", "bill.lines[2]")]
    steps = steps_of(lines)
    assert sum(step.count for step in steps) == len(lines)
    (intervals,) = [step for step in steps if not step.holds]
    assert (intervals.title, intervals.broken_count, len(intervals.broken)) == (STEPS[4], 10, 5)
    assert [step.title for step in steps][-1] == "The file is complete"
