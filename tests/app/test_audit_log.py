"""Every deed of an operator or treasurer is in the audit log, and the log is found through."""

import csv
import html
import io
import json
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from app.access import Access, rule_of
from app.audit import ENTRIES, AuditEntry, AuditQuestion, all_entries, audit_page, record
from app.storage.database import reading, writing
from app.storage.store.findings import replace_findings
from contracts.tariff import Tariff
from tests.app.day_doubts import doubt_of
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock, token_for
from tests.app.street_server import member, post
from tests.app.test_settlement_runs import KEY, SF_S, day_with_late_meter
from tests.app.two_invoices import ANNA, BELA, HEADER, row

Deed = Callable[[FlaskClient, dict[str, str]], TestResponse]
STAFF = {Access.OPERATOR, Access.TREASURER}
PRICES = {"supplier_price": "19", "feed_in_price": "7", "from_day": "2025-10-01"}
CORA = PRICES | {"id": "cora", "name": "Cora", "from_day": "2025-09-01"}
PEOPLE = "id,name,supplier_price_micro_per_kwh,feed_in_price_micro_per_kwh\ndora,Dora,190000,70000\n"
DORA = {"members.csv-text": PEOPLE, "confirmed": "yes"}
DEARER = Tariff(version="dearer", levies_micro_per_kwh=20_000)
LATER = json.dumps({"tariff": DEARER.to_json(), "valid_from_s": SF_S + 9 * DAY_S})
BANK = "\n".join([HEADER, row(100, BELA, "B1")])


def form(page: str, address: str, **values: object) -> Deed:
    return lambda client, _: post(client, page, address, values)


def call(address: str, **values: object) -> Deed:
    return lambda client, token: client.application.test_client().post(address, json=values, headers=token)


def file(text: str) -> tuple[io.BytesIO, str]:
    return io.BytesIO(text.encode()), "file.csv"


# One deed that succeeds for every endpoint with which operators and treasurers change something, in this order.
DEEDS: dict[str, Deed] = {
    "gateway_api.create_gateway": call("/api/v1/gateways", id="g7", name="Barn"),
    "gateway_api.revoke_gateway": call("/api/v1/gateways/g1/revoke"),
    "gateway_api.approve_gateway": call("/api/v1/gateways/g1/approve"),
    "settlement_api.settle_month_again": call("/api/v1/settlement/runs", month="2025-06"),
    "account_api.record_payment": call(f"/api/v1/treasury/invoices/{BELA.id}/payments", amount_cents=5),
    "account_api.take_bank_statement": call("/api/v1/treasury/bank-statements", csv=BANK),
    "erasure_api.erase_member_proofs": call("/api/v1/members/bela/erasure", member="bela"),
    "operator.make_code": form("/operator/devices", "/operator/gateways/g7/code"),
    "operator.revoke_gateway": form("/operator/devices", "/operator/gateways/g1/revoke"),
    "operator.approve_gateway": form("/operator/devices", "/operator/gateways/g1/approve"),
    "operator.run_month_again": form("/operator/settlement", "/operator/settlement/runs", month="2025-06"),
    "operator.accept": form(
        "/operator/devices", "/operator/findings/accept", metering_point="mp-bela", day="2025-06-16", rule="both_ways"
    ),
    "operator.add_member": form("/operator/members/add", "/operator/members/add", **CORA),
    "operator.member_files": form("/operator/members/add", "/operator/members/files", **DORA),
    "operator.add_contract": form("/operator/members/cora", "/operator/members/cora/contract", **PRICES),
    "operator.change_class": form(
        "/operator/members/cora",
        "/operator/members/cora/vat-class",
        vat_class="business",
        vat_from_day="2025-10-01",
    ),
    "operator.invite_member": form("/operator/members/anna", "/operator/members/anna/link"),
    "operator.end_member": form("/operator/members/cora", "/operator/members/cora/end", last_day="2025-12-31"),
    "operator.add_tariff": form("/operator/tariffs", "/operator/tariffs/confirmed", document=LATER),
    "treasury.mark_invoice_paid": form("/treasury", f"/treasury/invoices/{ANNA.id}/paid"),
    "treasury.import_bank": lambda client, _: post(client, "/treasury", "/treasury/bank", {"file": file(BANK)}),
}


ONLY_LOOKS = {"operator.look_at_tariff", "operator.founding_given", "operator.replay_round"}
"""Show what would change and store nothing; founding and replay have tests beside the database that they need."""


def changing(app: Flask, rules: set[Access]) -> list[str]:
    """Endpoints that change something and are for these people."""
    return [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"} and rule_of(app, rule.endpoint) in rules
    ]


def count_of(engine: Engine, actor: str) -> int:
    with reading(engine) as connection:
        return int(
            connection.execute(select(func.count()).select_from(ENTRIES).where(ENTRIES.c.actor == actor)).scalar() or 0
        )


def test_whatever_operators_and_treasurers_do_is_in_the_audit_log(
    web_app: Flask, invoiced: Engine, clock: StandingClock
) -> None:
    day_with_late_meter(invoiced, KEY).settle_at(SF_S)
    clock.now_s = SF_S + 60
    with writing(invoiced) as connection:
        replace_findings(connection, "2025-06-16", [doubt_of("mp-bela", "2025-06-16")])
    missing = set(changing(web_app, STAFF)) - set(DEEDS) - ONLY_LOOKS
    assert not missing, f"add a deed that succeeds for {missing}: it must leave an entry in the audit log"
    olga, token = member(web_app, "olga"), token_for(invoiced, "olga", now_s=clock.now_s)
    for endpoint, deed in DEEDS.items():
        before = count_of(invoiced, "olga")
        answer = deed(olga, token)
        assert answer.status_code < 400, (endpoint, re.findall(r"(?s)role=\"alert\">.*?</div>", answer.text))
        assert count_of(invoiced, "olga") > before, endpoint


def test_no_form_is_taken_that_does_not_come_from_this_site(web_app: Flask, invoiced: Engine) -> None:
    people = {Access.OPERATOR: "olga", Access.TREASURER: "tina", Access.HOUSEHOLD: "anna", Access.SIGNED_IN: "anna"}
    browsers = {rule: member(web_app, name) for rule, name in people.items()}
    urls, tried = web_app.url_map.bind("localhost"), 0
    for rule in web_app.url_map.iter_rules():
        whose = rule_of(web_app, rule.endpoint)
        if whose not in people or not (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            continue
        method = next(iter((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}))
        values = {name: NOON_S if name == "start_s" else "x" for name in rule.arguments}
        address = urls.build(rule.endpoint, values, method=method)
        before = {name: count_of(invoiced, name) for name in people.values()}
        answer = browsers[whose].open(address, method=method)
        assert answer.status_code == 400, (rule.endpoint, answer.status_code)
        assert before == {name: count_of(invoiced, name) for name in people.values()}, rule.endpoint
        tried += 1
    assert tried > 10


@pytest.fixture
def busy(any_community: Engine) -> Engine:
    """120 entries, one a minute, of olga and a gateway in turn, and one that is a home's own."""
    with writing(any_community) as connection:
        for k in range(120):
            actor, action = ("olga", "gateway.approved") if k % 2 else ("g1", "enrolled")
            record(connection, AuditEntry(at_s=NOON_S + 60 * k, actor=actor, action=action, subject=f"s{k}"))
        record(connection, AuditEntry(at_s=NOON_S, actor="anna", action="order placed", subject="anna's order"))
        record(connection, AuditEntry(at_s=NOON_S, actor="anna", action="preferences.changed", subject="anna"))
    return any_community


def test_pages_of_the_log_join_without_gap_and_lead_back(busy: Engine) -> None:
    with reading(busy) as connection:
        first = audit_page(connection, AuditQuestion(), length=50)
        second = audit_page(connection, AuditQuestion(), length=50, older_than=first.older_than)
        third = audit_page(connection, AuditQuestion(), length=50, older_than=second.older_than)
        back = audit_page(connection, AuditQuestion(), length=50, newer_than=third.newer_than)
        front = audit_page(connection, AuditQuestion(), length=50, newer_than=second.newer_than)
    shown = [each.subject for found in (first, second, third) for each in found.entries]
    assert shown == [f"s{k}" for k in reversed(range(120))]
    assert (first.newer_than, third.older_than) == (None, None)
    assert back.entries == second.entries
    assert (front.entries, front.newer_than) == (first.entries, None)


def test_the_log_is_asked_by_person_kind_and_day(busy: Engine) -> None:
    def found(**asked: object) -> list[str]:
        with reading(busy) as connection:
            return [each.subject for each in all_entries(connection, AuditQuestion(**asked))]

    assert len(found(actor="olga")) == 60
    assert len(found(action="enrolled")) == 60
    assert found(since_s=NOON_S + 60 * 118) == ["s119", "s118"]
    assert found(until_s=NOON_S + 120) == ["s1", "s0"]
    assert found(actor="anna") == []
    assert found(actor="g1", action="gateway.approved") == []


def text_of(answer: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_the_page_shows_names_filters_and_an_export_without_formulas(web_app: Flask, community: Engine) -> None:
    with writing(community) as connection:
        told = {"actor": "olga", "subject": "=HYPERLINK(1)"}
        record(connection, AuditEntry(at_s=NOON_S - DAY_S, action="token issued", detail="<b>x</b>", **told))
        record(connection, AuditEntry(at_s=NOON_S, actor="g1", action="enrolled", subject="0x1"))
    olga = member(web_app, "olga")
    page = text_of(olga.get("/operator/audit"))
    assert re.search(r"16 Jun[^E]*g1 Enrolled 0x1", page), page
    assert "Olga olga Token issued =HYPERLINK(1) <b>x</b>" in page
    assert "<b>x</b>" not in olga.get("/operator/audit").text
    day = text_of(olga.get("/operator/audit?from_day=2025-06-16&to_day=2025-06-16"))
    assert "Enrolled 0x1" in day
    assert "HYPERLINK" not in day
    rows = list(csv.reader(io.StringIO(olga.get("/operator/audit.csv?actor=olga").text)))
    assert rows == [
        ["at", "actor", "action", "subject", "detail"],
        ["2025-06-15T12:00:00Z", "olga", "token issued", "'=HYPERLINK(1)", "<b>x</b>"],
    ]
    assert "Nothing found" in text_of(olga.get("/operator/audit?actor=nobody"))


@pytest.mark.parametrize("asked", ["from_day=x", "to_day=1066-01-01", "older_than=-1", "newer_than=9" + "9" * 30])
def test_what_cannot_be_asked_is_refused(web_app: Flask, asked: str) -> None:
    olga = member(web_app, "olga")
    assert olga.get(f"/operator/audit?{asked}").status_code == 400


def test_the_log_is_for_operators_alone(web_app: Flask, invoiced: Engine) -> None:
    for name in ("anna", "tina"):
        for path in ("/operator/audit", "/operator/audit.csv"):
            assert member(web_app, name).get(path).status_code == 403
