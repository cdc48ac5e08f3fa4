"""`commonwatt verify`: what it says, and how it ends."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from statement_cases import ProvenCommunity

from app.cli import main
from contracts.rpc_client import http_rpc
from contracts.rpc_server import RpcServer


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def proven(state: Path) -> Iterator[ProvenCommunity]:
    community = ProvenCommunity(state)
    yield community
    community.close()


@pytest.fixture
def statement(proven: ProvenCommunity, tmp_path: Path) -> Path:
    path = tmp_path / "june.json"
    path.write_text(json.dumps(proven.statement("anna")))
    return path


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def alter(statement: Path, *path: str | int, by: int = 1) -> None:
    document = json.loads(statement.read_text())
    here = document
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] += by
    statement.write_text(json.dumps(document))


def test_a_statement_holds_against_the_state_directory_while_its_owner_has_the_chain_open(statement, state) -> None:
    result = verify(statement, "--state", state)
    assert result.exit_code == 0, result.output
    assert "lines hold" in result.stdout
    assert "could have been rebuilt" in result.stdout


def test_what_is_proved_many_times_in_the_same_way_is_told_once(statement, state) -> None:
    told = verify(statement, "--state", state).stdout.splitlines()
    proved = len(json.loads(verify(statement, "--state", state, "--json").stdout)["lines"])
    assert f"All {proved} lines hold." in told
    assert sum(line.startswith("bill") for line in told) == 1
    assert sum(line.startswith("totals") for line in told) == 1
    assert len(told) == len(set(told)) < proved


def test_a_statement_holds_against_a_chain_that_is_served(statement, proven) -> None:
    server = RpcServer(proven.chain, "127.0.0.1", 0)
    try:
        result = verify(statement, "--rpc", server.url, "--json")
        assert result.exit_code == 0, result.output
        answer = json.loads(result.stdout)
        assert answer["holds"] is True
        assert {"line", "holds", "detail"} == set(answer["lines"][0])
    finally:
        server.close()
    assert threading.active_count() < 20


def test_one_altered_figure_ends_with_1_and_names_the_line(statement, state) -> None:
    alter(statement, "bill", "total_cents")
    result = verify(statement, "--state", state)
    assert result.exit_code == 1
    assert "does not hold: bill.total_cents: is 135, but the intervals give 134" in result.stderr
    answer = verify(statement, "--state", state, "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["holds"] is False


def test_an_older_statement_serves_as_the_checkpoint(statement, state, tmp_path) -> None:
    older = tmp_path / "may.json"
    older.write_text(statement.read_text())
    result = verify(statement, "--state", state, "--checkpoint", older)
    assert result.exit_code == 0, result.output
    assert "could have been rebuilt" not in result.stdout
    older.write_text(json.dumps({"block_number": 1, "block_hash": "0x" + "11" * 32}))
    rebuilt = verify(statement, "--state", state, "--checkpoint", older)
    assert rebuilt.exit_code == 1
    assert "the chain's block 1 is another: it was rebuilt" in rebuilt.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", "not json", "{" * 1000])
def test_a_file_that_is_no_statement_ends_with_2_and_no_traceback(tmp_path, state, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    result = verify(path, "--state", state)
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_file_ends_with_2(tmp_path, state) -> None:
    result = verify(tmp_path / "nowhere.json", "--state", state)
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_bytes_that_are_no_text_end_with_2(tmp_path, state) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(b"\xff\xfe{}")
    assert verify(path, "--state", state).exit_code == 2


def test_a_directory_without_a_chain_ends_with_2(statement, tmp_path) -> None:
    result = verify(statement, "--state", tmp_path / "empty")
    assert result.exit_code == 2
    assert "holds no chain" in result.stderr


def test_a_file_that_is_no_chain_ends_with_2(statement, tmp_path) -> None:
    (tmp_path / "chain.sqlite").write_text("not a database at all")
    result = verify(statement, "--state", tmp_path)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "ftp://somewhere", "nonsense"])
def test_a_chain_that_cannot_be_asked_ends_with_2(statement, url: str) -> None:
    result = verify(statement, "--rpc", url)
    assert result.exit_code == 2
    assert "chain" in result.stderr


def test_a_checkpoint_file_without_a_checkpoint_ends_with_2(statement, state, tmp_path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"chain": {}}')
    result = verify(statement, "--state", state, "--checkpoint", path)
    assert result.exit_code == 2
    assert "no checkpoint in it" in result.stderr


def test_what_answers_without_json_rpc_is_no_chain(proven) -> None:
    server = RpcServer(proven.chain, "127.0.0.1", 0)
    try:
        ask = http_rpc(server.url)
        assert ask("eth_chainId", []) == hex(proven.chain.chain_id)
    finally:
        server.close()
    with pytest.raises(ConnectionError, match="does not answer"):
        ask("eth_chainId", [])
