"""`commonwatt chain`: a chain in a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chain_community import MEMBERS, deploy, open_outbox, random_batch
from click.testing import CliRunner, Result

from app.cli import main
from contracts.chain import connect
from contracts.ledger import SettlementLedger

COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "chain"]


@contextmanager
def serving(state: Path, listen: str = "127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*COMMAND, "serve", "--state", str(state), "--listen", listen]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["chain", *arguments])


def one_line_error(*arguments: str) -> str:
    finished = run(*arguments)
    assert finished.exit_code == 2
    return finished.stderr


def test_a_served_chain_survives_sigterm_and_sigkill_with_the_same_address_and_balances(tmp_path: Path) -> None:
    state, keys = tmp_path / "state", tmp_path / "keys"
    keys.mkdir()
    with serving(state) as (process, url):
        outbox = open_outbox(keys, connect(url))
        ledger = deploy(outbox)
        ledger.settle(random_batch(1, members=MEMBERS))
        assert "is already in use by process" in one_line_error("show", "--state", str(state))
        shown = json.loads(run("show", "--rpc", url, "--json").stdout)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    with serving(state, url.removeprefix("http://")) as (process, same_url):
        assert same_url == url
        ledger.settle(random_batch(2, members=MEMBERS))
        process.kill()
    with serving(state) as (_, url):
        again = SettlementLedger(connect(url), ledger.address)
        batches = [random_batch(sequence, members=MEMBERS) for sequence in (1, 2)]
        assert again.balances() == tuple(
            sum(each.member_deltas_nano[lane] for each in batches) for lane in range(MEMBERS)
        )
        assert connect(url).eth.get_block(shown["block_number"])["hash"].to_0x_hex() == shown["block_hash"]
    outbox.close()
    replayed = json.loads(run("show", "--state", str(state), "--json").stdout)
    assert (replayed["genesis_hash"], replayed["block_number"]) == (shown["genesis_hash"], shown["block_number"] + 1)


def test_bad_input_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    assert "give the directory that holds the chain" in one_line_error("show", "--state", str(tmp_path))
    assert "give either --state DIR or --rpc URL" in one_line_error("show")
    assert "does not answer" in one_line_error("show", "--rpc", "http://127.0.0.1:9")
    assert "is not the address of a chain" in one_line_error("show", "--rpc", "nowhere")
    assert "is not HOST:PORT" in one_line_error("serve", "--state", str(tmp_path), "--listen", "8545")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot listen on {listen}" in one_line_error("serve", "--state", str(tmp_path), "--listen", listen)
    assert "holds chain 31337, not chain 5" in one_line_error("serve", "--state", str(tmp_path), "--chain-id", "5")
