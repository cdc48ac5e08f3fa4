"""The script for strangers: it imports nothing of ours, and judges every statement as `commonwatt verify` does."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from statement_alterations import KINDS, altered_by
from statement_cases import MEMBERS, ProvenCommunity, answering_once
from strangers import SCRIPT, script, verdict

from contracts.bills import BillItem
from contracts.ledger import CONTRACT
from contracts.published import artifact
from contracts.rpc_server import RpcServer
from contracts.statement import Checkpoint, UnreadableStatementError, load_statement
from contracts.verify import verify_statement
from contracts.verify_chain import EARLIER_CODE_HASHES
from matching.mechanisms import MECHANISMS

PUBLIC = {"eth_hash", "eth_keys"}
CASES = settings.default.max_examples


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProvenCommunity]:
    community = ProvenCommunity(tmp_path_factory.mktemp("strangers"))
    yield community
    community.close()


@pytest.fixture(scope="module")
def rpc(proven: ProvenCommunity):
    return answering_once(proven.rpc)


@pytest.fixture(scope="module")
def documents(proven: ProvenCommunity) -> list[dict]:
    return [load_statement(json.dumps(proven.statement(member))) for member in MEMBERS]


def ours(document: dict, rpc) -> set[str]:
    return {proof.line for proof in verify_statement(document, rpc) if not proof.holds}


def test_it_imports_public_libraries_alone() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in names}
    assert packages - set(sys.stdlib_module_names) == PUBLIC


def test_what_it_knows_of_us_is_what_we_publish() -> None:
    published = (artifact(CONTRACT)["runtime_hash"], *EARLIER_CODE_HASHES)
    assert published == script().LEDGER_CODE_HASHES, "a new contract: put its code's hash first in the script"
    for name, mechanism in MECHANISMS.items():
        properties = mechanism.properties
        promised = (properties.uniform_price, properties.pools_leftovers, properties.average_prices)
        assert script().MECHANISMS[name] == promised, name
    community = list(BillItem)[: list(BillItem).index(BillItem.SUPPLIER_ENERGY)]
    assert list(dict.fromkeys(script().ITEMS.values())) == [item.value for item in community]


@pytest.mark.parametrize("number", range(len(MEMBERS)), ids=MEMBERS)
def test_a_statement_holds_as_it_was_written(documents, rpc, proven, number: int) -> None:
    assert verdict(documents[number], rpc) == ""
    given = documents[number]["chain"]["checkpoint"]
    assert verdict(documents[number], rpc, given) == ""
    other = given | {"block_hash": "0x" + "11" * 32}
    assert verdict(documents[number], rpc, other).startswith("the checkpoint delivered before: ")
    older = Checkpoint(block_number=given["block_number"], block_hash=bytes(32))
    assert not all(proof.holds for proof in verify_statement(documents[number], rpc, checkpoint=older))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_both_refuse_every_alteration(documents, rpc, kind) -> None:
    for seed in range(CASES):
        changed = altered_by(kind, documents, seed)
        assert ours(changed, rpc), seed
        assert verdict(changed, rpc), seed


def test_the_line_it_names_is_one_that_we_name_too(documents, rpc) -> None:
    document = json.loads(json.dumps(documents[0]))
    document["bill"]["total_cents"] += 1
    assert verdict(document, rpc).startswith("bill.total_cents: ")
    assert ours(document, rpc) == {"bill.total_cents"}
    document = json.loads(json.dumps(documents[0]))
    document["readings"][1]["readings"][0]["import_mwh"] += 1
    assert verdict(document, rpc).startswith("readings[1].signature: ")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{" * 100_000, '{"format": "commonwatt statement 1", "a": 1, "a": 1}']
)
def test_what_is_no_statement_is_none_for_both(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        script().load(text.encode())
    with pytest.raises(UnreadableStatementError):
        load_statement(text)


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script as a stranger runs it: a copy elsewhere, alone with its arguments."""
    copied = folder / "verify_statement.py"
    copied.write_bytes(SCRIPT.read_bytes())
    command = [sys.executable, "-I", str(copied), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_stranger_runs_it_against_a_served_chain(documents, proven, tmp_path) -> None:
    statement, older = tmp_path / "june.json", tmp_path / "may.json"
    statement.write_text(json.dumps(documents[0]))
    older.write_text(json.dumps(documents[1]))
    server = RpcServer(proven.chain, "127.0.0.1", 0)
    try:
        held = run(statement, "--rpc", server.url, "--checkpoint", older, folder=tmp_path)
        assert (held.returncode, held.stderr) == (0, "")
        assert "Every figure holds." in held.stdout
        documents[0]["bill"]["total_nano"] += 1
        statement.write_text(json.dumps(documents[0]))
        documents[0]["bill"]["total_nano"] -= 1
        altered = run(statement, "--rpc", server.url, folder=tmp_path)
        assert altered.returncode == 1
        assert "does not hold: bill.total_nano" in altered.stderr
    finally:
        server.close()


@pytest.mark.parametrize("arguments", [("nowhere.json", "--rpc", "http://127.0.0.1:9"), ("x.json", "--rpc", "ftp://x")])
def test_what_cannot_be_read_ends_with_2_and_one_line(arguments, tmp_path) -> None:
    (tmp_path / "x.json").write_text('{"format": "commonwatt statement 1"}')
    refused = run(*arguments, folder=tmp_path)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "Traceback" not in refused.stderr
