"""Bad readings and orders at the open port: each is told what is wrong, and what was good stays and goes on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.storage.database import reading, writing
from app.storage.store.members import set_status
from app.storage.store.orders import book_of
from app.storage.store.readings import alarms, energies_of_points
from app.storage.store.rounds import close_round, open_rounds
from tests.app.neighbourhood import NOON_S, STRANGERS_KEY, as_json, readings_from, signed, token_for
from tests.e2e.attacked_platform import AttackedPlatform, attacked_platform

READINGS = readings_from([(1_000_000, 0), (1_250_000, 0), (1_300_000, 0), (1_900_000, 40_000)], start_s=NOON_S - 3_600)
FIRST, REST = signed(READINGS[:2]), signed(READINGS[2:], signed(READINGS[:2]).head)
START_S = NOON_S + 3_600


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[AttackedPlatform]:
    with attacked_platform(tmp_path) as running:
        yield running


def _posted(platform: AttackedPlatform, *batches: dict[str, Any]) -> list[dict[str, Any]]:
    answer = httpx.post(f"{platform.url}/api/v1/readings", json={"batches": list(batches)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


BAD = {
    "signed by an unknown key": (as_json(signed(READINGS[2:], FIRST.head, STRANGERS_KEY)), "unknown_key"),
    "altered after signing": (
        as_json(replace(REST, readings=(replace(READINGS[2], import_mwh=1_260_000), READINGS[3]))),
        "unknown_key",
    ),
    "no signature": (as_json(replace(REST, signature=b"\0" * 65)), "bad_signature"),
    "another past": (as_json(signed(READINGS[2:], b"\x07" * 32)), "altered"),
    "told differently": (as_json(signed((READINGS[0], replace(READINGS[1], import_mwh=1_200_000)))), "conflict"),
    "with a gap": (as_json(signed(READINGS[3:], b"\x07" * 32)), "gap"),
    "of an unknown device": (as_json(signed(readings_from([(1, 0)], device="d-zoe"))), "unknown_key"),
    "not even a batch": ({"device": "d-anna", "epoch": 0, "readings": "all of them"}, "malformed"),
}


def test_bad_batches_are_refused_each_with_its_reason_and_no_good_one_is_lost(platform: AttackedPlatform) -> None:
    assert _posted(platform, as_json(FIRST))[0]["status"] == "accepted"
    results = _posted(platform, *(batch for batch, _ in BAD.values()), as_json(FIRST), as_json(REST))
    *refused, replayed, good = results
    assert [result["code"] for result in refused] == [code for _, code in BAD.values()]
    for result in refused:
        assert result["status"] == "refused"
        assert result["message"]
        assert "\n" not in result["message"]
    assert (replayed["status"], replayed["next_seq"]) == ("duplicate", 2)
    assert (good["status"], good["next_seq"]) == ("accepted", 4)
    with reading(platform.engine) as connection:
        energies = energies_of_points(connection, ["mp-anna"], start_s=0, end_s=NOON_S + 1, minutes=15)
        kept = {alarm.kind for alarm in alarms(connection, since_s=0)}
    assert [(each.import_wh, each.export_wh) for each in energies] == [(250, 0), (50, 0), (600, 40)]
    assert kept == {code for _, code in BAD.values()} - {"gap"}  # a gap is mended by sending again


def test_bad_orders_are_refused_each_with_its_reason_and_the_good_one_stands(platform: AttackedPlatform) -> None:
    with writing(platform.engine) as connection:
        open_rounds(connection, [START_S, START_S + 900])
        close_round(connection, START_S + 900, closed_s=NOON_S, digest=lambda _: "")
        set_status(connection, "bela", "suspended")
    anna, bela = token_for(platform.engine, "anna"), token_for(platform.engine, "bela")
    good = {
        "metering_point": "mp-anna",
        "start_s": START_S,
        "side": "buy",
        "quantity_wh": 100,
        "limit_micro_per_kwh": 200_000,
    }
    bad = [
        (anna, good | {"start_s": START_S + 900}, 409, "gate-closed", "gate is closed"),
        (anna, good | {"start_s": NOON_S}, 409, "gate-closed", "closed 15 minutes before"),
        (anna, good | {"limit_micro_per_kwh": 200_001}, 409, "off-tick", "multiples of 100"),
        (bela, good | {"metering_point": "mp-bela"}, 403, "suspended", "operator can tell you why"),
        (anna, good | {"metering_point": "mp-bela"}, 404, "unknown-metering-point", "no metering point mp-bela"),
    ]
    url = f"{platform.url}/api/v1/orders"
    assert httpx.post(url, json=good | {"order_id": "mine"}, headers=anna).status_code == 201
    for headers, order, status, slug, words in bad:
        answer = httpx.post(url, json=order, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:commonwatt:problem:{slug}")
        assert words in answer.json()["detail"]
        assert "\n" not in answer.json()["detail"]
    with reading(platform.engine) as connection:
        assert [order.order_id for order in book_of(connection, START_S)] == ["anna:mine"]
        assert book_of(connection, START_S + 900) == ()
