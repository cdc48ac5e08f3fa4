"""The explorer: what the chain holds, in plain words; and what it says when the chain is silent, empty or another."""

import re
from dataclasses import replace

import pytest
from flask import Flask

from app.auth_pages import limiter
from app.platform import EXTENSION, Platform
from app.storage.database import reading
from app.storage.store.settlement import batches
from app.web.formats import Formats
from app.web.views import explorer as explorer_page
from app.web.views.explorer import told
from contracts.explorer import LedgerEvent, LedgerTransaction
from tests.app.community_day import HOMES, ZONE
from tests.app.street_server import member
from tests.app.test_web_household import shown

EURO = Formats(locale="en_IE", zone=ZONE, currency="EUR")


@pytest.fixture(autouse=True)
def without_limits():
    limiter.enabled = False
    yield
    limiter.enabled = True


def with_chain(app: Flask, chain_rpc: object) -> Flask:
    known: Platform = app.extensions[EXTENSION]
    app.extensions[EXTENSION] = replace(known, chain_rpc=chain_rpc)
    return app


def test_everybody_sees_batches_roots_supply_and_that_all_of_it_adds_up(street_app: Flask) -> None:
    answer = street_app.test_client().get("/explorer")
    page = shown(answer.text)
    with reading(street_app.extensions[EXTENSION].engine) as connection:
        settled = [batch for batch in batches(connection) if batch.state == "final"]
    assert answer.status_code == 200
    assert settled
    for batch in settled:
        assert f"Batch {batch.sequence}: settled {EURO.moment(batch.first_start_s)}" in page
        for root in (batch.trades_root, batch.readings_root, batch.evidence_hash, batch.tx_hash):
            assert str(root) in page
    assert f"Batches {len(settled)} Members {len(HOMES)} Credit issued, less paid out €0.00" in page
    assert "Adds up" in page
    assert f"{len(HOMES)} members got their place." in page


def test_no_member_can_be_found_on_it(street_app: Flask) -> None:
    page = re.sub(r'name="csrf_token" value="[^"]*"', "", street_app.test_client().get("/explorer").text)
    assert not [home for home in HOMES if home in page]
    assert not [number for number in range(1, 9) if f"Home {number}" in page]


def test_members_and_operators_reach_it_from_every_page(street_app: Flask) -> None:
    for who in ("M01", "OP"):
        assert 'href="/explorer"' in member(street_app, who).get("/", follow_redirects=True).text


def test_it_goes_back_page_by_page_to_the_first_transaction(street_app: Flask, monkeypatch) -> None:
    monkeypatch.setattr(explorer_page, "TRANSACTIONS_SHOWN", 1)
    client, address, seen = street_app.test_client(), "/explorer", []
    while address:
        page = client.get(address).text
        seen.append(shown(page))
        address = "".join(re.findall(r'<a [^>]*href="(/explorer\?before=\d+)"', page))
    assert len(seen) == len(set(seen)) >= 3
    assert "It was written down who may settle" in seen[-1]
    assert "Nothing further back" in shown(client.get("/explorer?before=0").text)


@pytest.mark.parametrize("before", ["-1", "x", "", "1.5", "٣", str(10**30)])
def test_a_place_that_is_none_is_not_found(street_app: Flask, before: str) -> None:
    assert street_app.test_client().get("/explorer", query_string={"before": before}).status_code == 404


def test_without_a_chain_it_says_so(own_street: Flask) -> None:
    answer = with_chain(own_street, None).test_client().get("/explorer")
    assert answer.status_code == 200
    assert "No ledger here yet" in shown(answer.text)


@pytest.mark.parametrize(
    "chain_rpc",
    [
        lambda _: {"error": {"code": -32002, "message": "away"}},
        lambda _: {"error": {"code": -32000, "message": "odd"}},
        lambda _: "no answer",
    ],
)
def test_a_silent_chain_is_no_error_of_ours_and_nothing_is_shown(own_street: Flask, chain_rpc) -> None:
    answer = with_chain(own_street, chain_rpc).test_client().get("/explorer")
    assert answer.status_code == 503
    assert "The ledger does not answer just now." in shown(answer.text)


def test_another_chain_is_not_taken_for_the_communitys(own_street: Flask) -> None:
    answer = with_chain(own_street, lambda _: {"result": "0x"}).test_client().get("/explorer")
    assert answer.status_code == 503
    assert "it is not the community's" in shown(answer.text)


def test_the_script_is_there_for_everybody_and_begins_like_one(street_app: Flask) -> None:
    answer = street_app.test_client().get("/verify_statement.py")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/x-python; charset=utf-8"
    assert answer.text.startswith("#!/usr/bin/env python3\n")


def test_every_event_has_words_and_what_was_not_done_is_not_told_as_done() -> None:
    lists = {"Attested": ((1, 2), (3, 4), b""), "Minted": (1, (2, 3), b""), "Retired": (1, (2, 3), b"")}
    for name in explorer_page._SENTENCES:
        values = lists.get(name, (1, 2, 10**9, 4, 5, 6))
        done = LedgerTransaction(
            tx_hash="0x", block_number=3, gas_used=1, succeeded=True, events=(LedgerEvent(name=name, values=values),)
        )
        (sentence,) = told(done, EURO)
        assert sentence.endswith(".")
        assert told(replace(done, succeeded=False), EURO) == ["Refused by the ledger's rules; nothing changed."]
        assert told(replace(done, block_number=None), EURO) == ["Signed and on its way; not in the ledger yet."]
    far = LedgerEvent(name="BatchSettled", values=(1, 2**63, 2**64 - 1, b"", b"", b""))
    assert str(2**64 - 1) in explorer_page._sentence(far, EURO)
