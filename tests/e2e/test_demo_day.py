"""`commonwatt demo` as people and programs meet it: its figures, its web application, its end, and its refusals."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from demo_visitor import Browser, strangers_verdict
from demonstrations import (
    HOUSEHOLDS,
    Demonstration,
    clock_s,
    first_start_s,
    rows,
    run_to_end,
    small_day,
    state_with,
    world_of,
)

from app.cli import main
from app.demo.neighbourhood import SLOT_S
from contracts.rpc_client import http_rpc
from contracts.statement import load_statement
from contracts.verify import verify_statement

pytestmark = pytest.mark.timeout(600)

SLOTS, SERVED_SLOTS = 8, 4
KEYS = {
    "date": str,
    "members": list,
    "intervals": int,
    "households": int,
    "readings": int,
    "trades": int,
    "traded_wh": int,
    "import_wh": int,
    "energy_conserved": bool,
    "money_conserved": bool,
    "homes_worse_off": int,
    "seller_gain_nano": int,
    "buyer_gain_nano": int,
    "self_sufficiency_before": float,
    "self_sufficiency_after": float,
    "intervals_bound": int,
    "ac_violations_without_limits": int,
    "max_vm_pu": float,
    "max_line_loading_percent": float,
    "ac_violations": int,
    "batches": int,
    "gas_per_trade": float,
    "chain_matches_ledger": bool,
    "seconds": float,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_of(tmp_path_factory, HOUSEHOLDS)


@pytest.fixture(scope="module")
def day(world: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = state_with(world, tmp_path_factory.mktemp("day") / "state")
    return run_to_end("--state", str(folder), *small_day("--intervals", str(SLOTS), "--no-serve", "--json"))


@pytest.fixture
def figures(day: subprocess.CompletedProcess[str]) -> dict[str, object]:
    return json.loads(day.stdout)


def test_the_day_ends_well_and_standard_output_is_one_json_object(day: subprocess.CompletedProcess[str]) -> None:
    assert day.returncode == 0, day.stderr
    assert day.stdout.count("\n") == 1
    assert "Traceback" not in day.stderr


@pytest.mark.parametrize("key", KEYS)
def test_every_figure_is_there_and_of_its_kind(key: str, figures: dict[str, object]) -> None:
    assert type(figures[key]) is KEYS[key]


def test_everybody_was_metered_and_nothing_was_lost(figures: dict[str, object]) -> None:
    assert (figures["date"], figures["intervals"], figures["households"]) == ("2016-05-26", SLOTS, HOUSEHOLDS)
    assert len(set(figures["members"])) == HOUSEHOLDS
    assert figures["readings"] == SLOTS * HOUSEHOLDS
    assert figures["energy_conserved"]
    assert figures["money_conserved"]
    assert figures["chain_matches_ledger"]
    assert figures["batches"] == 1


def test_neighbours_trade_both_sides_gain_and_nobody_is_worse_off(figures: dict[str, object]) -> None:
    assert 0 < figures["traded_wh"] <= figures["import_wh"]
    assert figures["trades"] > 0
    assert figures["gas_per_trade"] > 0
    assert figures["seller_gain_nano"] > 0
    assert figures["buyer_gain_nano"] > 0
    assert figures["homes_worse_off"] == 0
    assert 0 <= figures["self_sufficiency_before"] <= figures["self_sufficiency_after"] <= 1


def test_the_network_keeps_its_limits(figures: dict[str, object]) -> None:
    assert figures["ac_violations"] == 0
    assert 1.0 < figures["max_vm_pu"] <= 1.1
    assert 0 < figures["max_line_loading_percent"] <= 100


def told_sign_in(demonstration: Demonstration, role: str) -> tuple[str, str]:
    """Email and password as the demonstration printed them."""
    told = re.search(rf"sign in as {role}\s+(\S+)\s+(\S+)", demonstration.err.read_text())
    assert told is not None, demonstration.said()
    return told[1], told[2]


@pytest.fixture(scope="module")
def served(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """A demonstration whose day is over and whose web application still answers."""
    folder = state_with(world, tmp_path_factory.mktemp("served") / "state")
    options = small_day("--intervals", str(SERVED_SLOTS), "--serve", "--speed", "max", "--json")
    demonstration = Demonstration(folder, *options)
    try:
        demonstration.wait_for_output()
        yield demonstration
    finally:
        demonstration.end()


@pytest.fixture
def household(served: Demonstration) -> Browser:
    browser = Browser(served.wait_for_url())
    email, password = told_sign_in(served, "household")
    assert browser.sign_in(email, password).status_code == 200
    return browser


def household_id(served: Demonstration) -> str:
    return told_sign_in(served, "household")[0].partition("@")[0].upper()


def in_database(served: Demonstration, query: str, *values: object) -> int:
    ((value,),) = rows(served.state.folder / "community.sqlite", query, *values)
    assert isinstance(value, int)
    return value


def test_the_figures_are_those_of_the_database(served: Demonstration) -> None:
    figures = json.loads(served.out.read_text())
    assert figures["traded_wh"] == in_database(served, "SELECT sum(bought_wh) FROM allocation")
    assert figures["traded_wh"] == in_database(served, "SELECT sum(sold_wh) FROM allocation")
    metered = "SELECT sum(import_wh) FROM interval_energy WHERE start_s >= ?"
    assert figures["import_wh"] == in_database(served, metered, first_start_s())
    assert figures["batches"] == in_database(served, "SELECT count(*) FROM settlement_batch WHERE state = 'final'")


def test_the_household_sees_what_the_database_and_the_chain_hold(served: Demonstration, household: Browser) -> None:
    member, me = household_id(served), household.client.get("/api/v1/me").json()
    assert me["id"] == member
    moved = "SELECT coalesce(sum(CASE WHEN credit = ?1 THEN amount_nano ELSE -amount_nano END), 0)"
    own = f"{moved} FROM transfer WHERE ?1 IN (credit, debit)"
    balance_nano = in_database(served, own, f"member:{member}")
    assert me["balance_nano"] == balance_nano != 0
    span = {"start_s": first_start_s(), "end_s": first_start_s() + SERVED_SLOTS * SLOT_S}
    energies = household.client.get("/api/v1/energy", params=span).json()["energies"]
    assert len(energies) == SERVED_SLOTS
    (point,) = {each["metering_point"] for each in energies}
    settled = "SELECT sum(bought_wh + residual_import_wh) FROM allocation WHERE metering_point_id = ?"
    settled_wh = in_database(served, settled, point)
    assert sum(each["import_wh"] for each in energies) == settled_wh


def test_page_csv_and_ledger_show_the_same_cents(served: Demonstration, household: Browser) -> None:
    lines = household.csv("/statements/2016-05.csv")
    (total,) = [int(row["amount_cents"]) for row in lines if (row["part"], row["item"]) == ("community", "total")]
    owed_nano = -int(household.client.get("/api/v1/me").json()["balance_nano"])
    assert abs(owed_nano - total * 10_000_000) < 10_000_000, "the bill is the balance, in whole cents"
    shown = re.search(r'class="hero-value">[^\d]*(\d+)[.,](\d\d)', household.client.get("/statements/2016-05").text)
    assert shown is not None
    assert int(shown[1] + shown[2]) == abs(total)


def test_the_statement_is_proved_on_the_chain_that_the_web_application_shows(
    served: Demonstration, household: Browser
) -> None:
    document = load_statement(household.client.get("/statements/2016-05.json").text)
    proofs = verify_statement(document, http_rpc(f"{served.wait_for_url()}/api/v1/public/chain"))
    assert len(proofs) > SERVED_SLOTS
    assert [proof for proof in proofs if not proof.holds] == []


def test_a_stranger_verifies_the_statement_with_the_script_that_the_web_application_hands_out(
    served: Demonstration, household: Browser, tmp_path: Path
) -> None:
    document = household.client.get("/statements/2016-05.json").json()
    held = strangers_verdict(served.wait_for_url(), document, tmp_path)
    assert (held.returncode, held.stderr) == (0, "")
    document["bill"]["total_cents"] += 1
    altered = strangers_verdict(served.wait_for_url(), document, tmp_path)
    assert altered.returncode == 1
    assert "does not hold: bill.total_cents" in altered.stderr


def test_rounds_on_the_public_page_are_those_of_the_database(served: Demonstration) -> None:
    browser = Browser(served.wait_for_url())
    span = {"start_s": first_start_s(), "end_s": first_start_s() + SERVED_SLOTS * SLOT_S}
    told = browser.client.get("/api/v1/public/rounds", params=span).json()["rounds"]
    stored = rows(
        served.state.folder / "community.sqlite",
        "SELECT start_s, clearing_price_micro_per_kwh, traded_wh FROM market_round ORDER BY start_s",
    )
    assert [(each["start_s"], each["clearing_price_micro_per_kwh"], each["traded_wh"]) for each in told] == stored


def test_a_guessed_password_opens_nothing(served: Demonstration) -> None:
    browser = Browser(served.wait_for_url())
    assert browser.sign_in(told_sign_in(served, "operator")[0], "guess").status_code == 401
    assert browser.client.get("/api/v1/me").status_code == 401


def test_while_the_day_advances_the_web_application_answers_and_sigterm_ends_everything(
    world: Path, tmp_path: Path
) -> None:
    demonstration = Demonstration(state_with(world, tmp_path / "state"), *small_day("--intervals", "48"))
    try:
        url = demonstration.wait_for_url()
        assert demonstration.out.read_text() == f"{url}\n"
        browser = Browser(url)
        assert re.search(r'class="banner"[^>]*>Simulated, \w+ 26 May 2016<', browser.client.get("/").text)
        demonstration.wait_for_clock(first_start_s())
        assert browser.sign_in(*told_sign_in(demonstration, "operator")).status_code == 200
        before_s = clock_s(demonstration.state)
        assert browser.client.get("/api/v1/health").json()["now_s"] >= before_s
        demonstration.wait_for_clock(before_s + SLOT_S)
        assert len(demonstration.family()) == 2, "the program and its meters"
        demonstration.process.send_signal(signal.SIGTERM)
        demonstration.process.wait(20)
        assert demonstration.family() == []
        assert "Traceback" not in demonstration.err.read_text()
        assert demonstration.out.read_text() == f"{url}\n"
    finally:
        demonstration.end()


def test_a_folder_that_is_in_use_is_refused_and_left_in_peace(served: Demonstration) -> None:
    folder = str(served.state.folder)
    refused = run_to_end("--state", folder, *small_day("--intervals", str(SERVED_SLOTS), "--no-serve"))
    assert_one_line(refused, "already in use by process")
    assert Browser(served.wait_for_url()).client.get("/").status_code == 200


def test_a_folder_of_another_demonstration_is_refused(served: Demonstration) -> None:
    refused = run_to_end("--state", str(served.state.folder), *small_day("--intervals", "5", "--no-serve"))
    assert_one_line(refused, "choose another --state folder")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_to_end("--state", str(tmp_path / "state"), "--port", str(port))
    assert_one_line(refused, f"port {port} on 127.0.0.1 cannot be used")


def test_a_network_that_does_not_exist_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = run_to_end("--state", str(tmp_path / "state"), "--no-serve", "--network", "simbench:nowhere")
    assert_one_line(refused, "no SimBench network is called 'nowhere'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--households", "1"], "1 is not in the range"),
        (["--date", "31 May"], "--date '31 May': write sunny, dark, or a day"),
        (["--speed", "fast"], "--speed 'fast': write a number"),
        (["--speed", "0"], "--speed 0: must be above 0"),
        (["--intervals", "97"], "97 is not in the range"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(options: list[str], message: str) -> None:
    refused = CliRunner().invoke(main, ["demo", "--no-serve", *options])
    assert refused.exit_code == 2
    assert message in refused.stderr.splitlines()[-1]
    assert refused.stdout == ""


def assert_one_line(refused: subprocess.CompletedProcess[str], message: str) -> None:
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert message in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert refused.stdout == ""
