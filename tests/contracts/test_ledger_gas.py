"""What a batch costs, kept as exact numbers: a change of the contract that costs gas must say so here."""

from pathlib import Path

import pytest
from chain_community import deploy, open_chain, open_outbox, random_batch

from contracts.chain import connect


@pytest.mark.parametrize(
    ("trades", "households", "gas", "most_per_trade"),
    [(100, 50, 125_972, 1_260), (1_000, 200, 296_420, 300), (10_000, 1_000, 1_205_472, 135)],
)
def test_a_batch_in_one_transaction_costs_what_it_did(
    tmp_path: Path, trades: int, households: int, gas: int, most_per_trade: int
) -> None:
    chain = open_chain(tmp_path)
    outbox = open_outbox(tmp_path, connect(chain))
    ledger = deploy(outbox, households)
    ledger.settle(random_batch(1, members=households))  # the first one pays for the fee accounts' storage
    used = ledger.settle(random_batch(2, members=households))["gasUsed"]
    assert used / trades <= most_per_trade
    assert used == gas
