"""Sudden death: a process that settles is killed at random moments, and nothing acknowledged changes or doubles."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from chain_community import MEMBERS, open_community, random_batch

from contracts.ledger import SYSTEM_ACCOUNTS

KILLS = 200 if os.environ.get("COMMONWATT_COUNTS") == "full" else 20
SCRIPT = Path(__file__).with_name("ledger_writer.py")
ROOT = Path(__file__).parents[2]


def start_writer(directory: Path, last: int) -> subprocess.Popen[str]:
    environment = {"PYTHONPATH": f"{ROOT}:{SCRIPT.parent}", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(SCRIPT), str(directory), str(last)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def acknowledged_by(writer: subprocess.Popen[str]) -> dict[int, str]:
    output, _ = writer.communicate(timeout=60)
    lines = [line.split() for line in output.splitlines()]
    return {int(line[0]): line[1] for line in lines if len(line) == 2 and len(line[1]) == 64}


def test_killed_at_random_moments_it_keeps_every_acknowledged_batch_once(tmp_path: Path) -> None:
    draw = random.Random(20_260_101)  # noqa: S311 (test data)
    acknowledged: dict[int, str] = {}
    for _ in range(KILLS):
        writer = start_writer(tmp_path, last=10_000)
        time.sleep(draw.uniform(0.0, 0.5))
        writer.kill()
        repeated = acknowledged.keys() & (new := acknowledged_by(writer)).keys()
        assert not repeated
        acknowledged |= new
    reached = max(acknowledged, default=0)
    writer = start_writer(tmp_path, last=reached + 3)
    acknowledged |= acknowledged_by(writer)
    assert writer.returncode == 0

    chain, outbox, ledger = open_community(tmp_path)
    last = ledger.last_sequence()
    assert last == reached + 3
    history = {sequence: ledger.roots(sequence) for sequence in range(1, last + 1)}
    assert {sequence: history[sequence].block_hash.hex() for sequence in acknowledged} == acknowledged
    batches = [random_batch(sequence, members=MEMBERS) for sequence in range(1, last + 1)]
    assert ledger.balances() == tuple(sum(each.member_deltas_nano[lane] for each in batches) for lane in range(MEMBERS))
    assert ledger.system_balances() == {
        account: sum(each.system_deltas_nano.get(account, 0) for each in batches) for account in SYSTEM_ACCOUNTS
    }
    assert chain.evm.head.block_number == 2 + last  # deployment, registration, and every batch once
    assert outbox.recover() == []
    outbox.close()
    chain.close()


def test_a_second_writer_is_told_which_process_holds_the_chain(tmp_path: Path) -> None:
    chain, outbox, _ = open_community(tmp_path)
    command = [sys.executable, str(SCRIPT), str(tmp_path), "1"]
    environment = {"PYTHONPATH": f"{ROOT}:{SCRIPT.parent}", "PATH": "/usr/bin:/bin"}
    second = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False)
    assert second.returncode != 0
    assert "is already in use by process" in second.stderr.splitlines()[-1]
    outbox.close()
    chain.close()
    third = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=False)
    assert third.returncode == 0
