"""A month as page, PDF, CSV and proof: the same cents everywhere, and a proof that strangers can check."""

import csv
import html
import io
import json
import re
import zlib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from flask import Flask

from app.cli import main
from app.local_time import LocalMonth
from app.member_costs import expected_savings_nano, savings_nano
from app.platform import EXTENSION
from app.statement_pdf import statement_html, statement_pdf
from app.statements import ITEM_TEXT, Statement, statement_of
from app.storage.database import reading
from app.web.formats import Formats
from contracts.bills import BillItem
from contracts.rpc_client import copied_chain_rpc
from contracts.statement import load_statement
from contracts.verify import verify_statement
from tests.app.community_day import HOMES, NOW, CommunityDay
from tests.app.street_server import member

BERLIN = ZoneInfo("Europe/Berlin")
JUNE = LocalMonth.parse("2016-06", BERLIN)
EURO = Formats(locale="en_IE", zone=BERLIN, currency="EUR")
NOW_S = int(NOW.timestamp())


def statement(app: Flask, participant: str) -> Statement:
    with reading(app.extensions[EXTENSION].engine) as connection:
        return statement_of(connection, participant, JUNE, now_s=NOW_S)


def amounts(markup: str) -> list[str]:
    """The money cells of all tables, in order."""
    cells = re.findall(r'<td class="number">\s*(−?€[\d.,]+)\s*</td>', html.unescape(markup))
    return [cell.strip() for cell in cells]


@pytest.mark.parametrize("participant", ["M01", "M02", "M05"])
def test_page_paper_and_csv_show_the_same_cents(street_app: Flask, participant: str) -> None:
    own = statement(street_app, participant)
    client = member(street_app, participant)
    lines = []
    for bill in (own.community, own.supplier):
        lines += [EURO.cents(line.amount_cents) for line in bill.lines if line.amount_nano or line.energy_wh]
        lines.append(EURO.cents(bill.total_cents))
    assert amounts(client.get("/statements/2016-06").text) == lines
    assert amounts(statement_html(own, EURO, now_s=NOW_S))[: len(lines)] == lines
    rows = list(csv.DictReader(io.StringIO(client.get("/statements/2016-06.csv").text)))
    assert [EURO.cents(int(row["amount_cents"])) for row in rows if row["part"] != "comparison"] == lines
    assert {row["member"] for row in rows} == {participant}


def test_lines_add_up_to_their_total_and_every_item_has_a_name(street_app: Flask) -> None:
    for participant in HOMES:
        own = statement(street_app, participant)
        for bill in (own.community, own.supplier, own.full, own.supplier_only):
            assert sum(line.amount_cents for line in bill.lines) == bill.total_cents
    assert set(ITEM_TEXT) == set(BillItem)


def test_the_pdf_is_tagged_for_screen_readers(street_app: Flask) -> None:
    response = member(street_app, "M02").get("/statements/2016-06.pdf")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == 'attachment; filename="statement-M02-2016-06.pdf"'
    assert response.data.startswith(b"%PDF-")
    content = statement_pdf(statement(street_app, "M02"), EURO, now_s=NOW_S)
    plain = [
        zlib.decompressobj().decompress(part) for part in re.findall(rb"stream\r?\n(x.*?)endstream", content, re.DOTALL)
    ]
    everything = b"".join([content, *plain])
    assert b"pdfuaid:part" in everything
    assert b"/StructTreeRoot" in everything


def test_savings_are_the_difference_of_two_whole_bills_for_the_same_meters(street_app: Flask) -> None:
    for participant in HOMES:
        own = statement(street_app, participant)
        with reading(street_app.extensions[EXTENSION].engine) as connection:
            saved = savings_nano(connection, participant, start_s=JUNE.start_s, end_s=JUNE.end_s)
        assert saved == own.supplier_only.total_nano - own.full.total_nano == own.gains.total_nano


def test_an_expected_saving_needs_a_known_member_and_some_energy(street_app: Flask) -> None:
    with reading(street_app.extensions[EXTENSION].engine) as connection:
        assert expected_savings_nano(connection, "M02", []) == 0
        assert expected_savings_nano(connection, "nobody", []) == 0


def test_the_statement_says_how_complete_it_is(street_app: Flask) -> None:
    own = statement(street_app, "M02")
    assert own.provisional
    assert 0 < own.settled_count < own.ended_count
    page = member(street_app, "M02").get("/statements/2016-06").text
    assert f"{own.settled_count} of {own.ended_count} intervals" in page
    assert "Provisional" in page


def test_the_proof_file_holds_against_the_chain_and_carries_the_pages_figures(
    street: CommunityDay, street_app: Flask
) -> None:
    document = load_statement(member(street_app, "M02").get("/statements/2016-06.json").data)
    with copied_chain_rpc(street.database.parent / "chain") as rpc:
        proofs = verify_statement(document, rpc)
    assert len(proofs) > 50
    assert [proof for proof in proofs if not proof.holds] == []
    own = statement(street_app, "M02")
    assert document["bill"]["total_cents"] == own.community.total_cents
    assert [line["amount_cents"] for line in document["bill"]["lines"]] == [
        line.amount_cents for line in own.community.lines
    ]


def test_a_proof_file_with_one_altered_figure_does_not_hold(street: CommunityDay, street_app: Flask) -> None:
    document = json.loads(member(street_app, "M02").get("/statements/2016-06.json").data)
    document["bill"]["total_cents"] -= 1
    with copied_chain_rpc(street.database.parent / "chain") as rpc:
        proofs = verify_statement(document, rpc)
    assert "bill.total_cents" in {proof.line for proof in proofs if not proof.holds}


@pytest.mark.parametrize("month", ["2016-13", "2016-6", "x", "2016-07", "1999-01"])
@pytest.mark.parametrize("ending", ["", ".pdf", ".csv", ".json"])
def test_a_month_that_is_none_or_not_begun_is_not_found(street_app: Flask, month: str, ending: str) -> None:
    assert member(street_app, "M02").get(f"/statements/{month}{ending}").status_code == 404


def test_a_month_without_anything_is_an_empty_bill_and_has_no_proof(street_app: Flask) -> None:
    client = member(street_app, "M02")
    assert "Nothing is owed" in client.get("/statements/2016-05").text
    refused = client.get("/statements/2016-05.json")
    assert refused.status_code == 404
    assert "try again after the next batch" in refused.text


def test_the_command_writes_the_same_files(street: CommunityDay, street_app: Flask, tmp_path: Path) -> None:
    state = ["--state", str(street.database.parent)]
    for ending in ("json", "csv", "pdf"):
        arguments = ["--member", "M02", "--month", "2016-06", "--out", str(tmp_path / f"june.{ending}")]
        done = CliRunner().invoke(main, ["statement", *arguments, *state])
        assert done.exit_code == 0, done.output
    client = member(street_app, "M02")
    assert json.loads((tmp_path / "june.json").read_text()) == client.get("/statements/2016-06.json").json
    assert (tmp_path / "june.csv").read_text() == client.get("/statements/2016-06.csv").text


@pytest.mark.parametrize(
    ("member_id", "month", "file", "says"),
    [
        ("M99", "2016-06", "a.json", "there is no member 'M99'"),
        ("OP", "2016-06", "a.csv", "there is no member 'OP'"),
        ("M02", "june", "a.json", "--month: 'june' is not a month"),
        ("M02", "2016-06", "a.txt", "name a file ending in .json, .pdf, .csv"),
        ("M02", "2016-05", "a.json", "nothing of 2016-05 is in the ledger"),
    ],
)
def test_the_command_refuses_with_one_line(
    street: CommunityDay, tmp_path: Path, member_id: str, month: str, file: str, says: str
) -> None:
    arguments = ["--member", member_id, "--month", month, "--out", str(tmp_path / file)]
    done = CliRunner().invoke(main, ["statement", *arguments, "--state", str(street.database.parent)])
    assert done.exit_code == 2
    assert says in done.output
    assert not (tmp_path / file).exists()


def test_the_command_wants_a_community(tmp_path: Path) -> None:
    arguments = ["statement", "--member", "M02", "--month", "2016-06", "--out", "x.json", "--state", str(tmp_path)]
    done = CliRunner().invoke(main, arguments, env={"COMMONWATT_DATABASE_URL": None})
    assert done.exit_code == 2
    assert "does not exist: give the community's directory" in done.output
