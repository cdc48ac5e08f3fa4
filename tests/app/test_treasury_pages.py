"""Who keeps the accounts, who sees the own, and nobody else."""

import io

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.app.neighbourhood import token_for
from tests.app.street_server import member, post
from tests.app.two_invoices import ANNA, BELA, HEADER, row, state


def test_the_treasurers_page_marks_and_imports(web_app: Flask, invoiced: Engine) -> None:
    tina = member(web_app, "tina")
    assert tina.get("/").headers["Location"] == "/treasury"
    paid = post(tina, "/treasury", f"/treasury/invoices/{BELA.id}/paid", {"amount": "10"})
    assert paid.status_code == 302
    assert "Recorded: €10.00" in tina.get("/treasury").text
    file = io.BytesIO("\n".join([HEADER, row(1_570, BELA, "B1"), row(5, ANNA, "B2")]).encode())
    answer = post(tina, "/treasury", "/treasury/bank", {"file": (file, "june.csv")})
    assert "1 posted, 0 known from before" in answer.text
    assert "Line 3, €0.05: Invoice 2025-05-anna-1 is a credit, and money came in." in answer.text
    wrong = post(tina, "/treasury", "/treasury/bank", {"file": (io.BytesIO(b"hello"), "<b>.csv")})
    assert wrong.status_code == 302
    assert "Nothing was taken from &lt;b&gt;.csv: line 1" in tina.get("/treasury").text
    assert state(invoiced, BELA) == ("paid", 0)


def test_a_member_sees_the_own_account_and_no_other(web_app: Flask, invoiced: Engine) -> None:
    page = member(web_app, "bela").get("/account").text
    assert BELA.reference in page
    assert "€25.70" in page
    assert ANNA.reference not in page
    client = web_app.test_client()
    own = client.get("/api/v1/account", headers=token_for(invoiced, "bela")).get_json()
    assert (own["balance_nano"], own["credit_limit_nano"]) == (-25_700_000_000, 51_400_000_000)
    assert [(each["id"], each["state"], each["due_cents"]) for each in own["invoices"]] == [(BELA.id, "payable", 2_570)]


def test_the_api_of_the_treasurer_pays_and_refuses(web_app: Flask, invoiced: Engine) -> None:
    client, tina = web_app.test_client(), token_for(invoiced, "tina")
    place = f"/api/v1/treasury/invoices/{BELA.id}/payments"
    paid = client.post(place, headers=tina, json={"amount_cents": 70})
    assert (paid.status_code, paid.get_json()["amount_cents"]) == (201, 70)
    too_much = client.post(place, headers=tina, json={"amount_cents": 2_570})
    assert (too_much.status_code, too_much.get_json()["type"]) == (409, "urn:commonwatt:problem:too-much")
    unknown = client.post("/api/v1/treasury/invoices/x/payments", headers=tina, json={})
    assert unknown.status_code == 404
    bank_place = "/api/v1/treasury/bank-statements"
    taken = client.post(bank_place, headers=tina, json={"csv": "\n".join([HEADER, row(2_500, BELA, "B1")])})
    assert [each["bank_reference"] for each in taken.get_json()["posted"]] == ["B1"]
    refused = client.post(bank_place, headers=tina, json={"csv": "hello"})
    assert (refused.status_code, refused.get_json()["type"]) == (422, "urn:commonwatt:problem:bank-statement")
    listed = client.get("/api/v1/treasury", headers=tina).get_json()
    assert {each["id"]: each["state"] for each in listed["invoices"]} == {BELA.id: "paid", ANNA.id: "credit"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/treasury", None),
        (f"/api/v1/treasury/invoices/{BELA.id}/payments", {}),
        ("/api/v1/treasury/bank-statements", {"csv": "x"}),
    ],
)
def test_members_and_strangers_do_not_touch_the_treasury(
    web_app: Flask, invoiced: Engine, path: str, body: dict[str, str] | None
) -> None:
    client = web_app.test_client()
    for headers, status in ((token_for(invoiced, "bela"), 403), ({}, 401)):
        answer = client.get(path, headers=headers) if body is None else client.post(path, headers=headers, json=body)
        assert answer.status_code == status
    assert state(invoiced, BELA) == ("payable", 2_570)


def test_the_treasurer_sees_no_page_of_operators_or_households(web_app: Flask, invoiced: Engine) -> None:
    tina = member(web_app, "tina")
    for path in ("/operator", "/operator/settlement", "/home", "/account", "/statements"):
        assert tina.get(path).status_code in {403, 404}, path
    client, token = web_app.test_client(), token_for(invoiced, "tina")
    assert client.get("/api/v1/settlement/runs", headers=token).status_code == 403
    assert client.get("/api/v1/account", headers=token).status_code == 403
    assert member(web_app, "bela").get("/treasury").status_code == 403
    assert member(web_app, "olga").get("/treasury").status_code == 200
