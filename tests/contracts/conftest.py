"""Chains and ledgers for the tests of contracts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_community import open_chain, open_community
from ledger_sender import LedgerSender

from contracts.embedded import EmbeddedChain
from contracts.ledger import SettlementLedger
from contracts.outbox import Outbox


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EmbeddedChain]:
    chain = open_chain(tmp_path)
    yield chain
    chain.close()


@pytest.fixture
def community(tmp_path: Path) -> Iterator[tuple[EmbeddedChain, Outbox, SettlementLedger]]:
    chain, outbox, ledger = open_community(tmp_path)
    yield chain, outbox, ledger
    outbox.close()
    chain.close()


@pytest.fixture(scope="module")
def shared_community(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[EmbeddedChain, Outbox, SettlementLedger]]:
    """One ledger for a whole module; its tests must not care what others settled."""
    chain, outbox, ledger = open_community(tmp_path_factory.mktemp("community"))
    yield chain, outbox, ledger
    outbox.close()
    chain.close()


@pytest.fixture
def sender(community: tuple[EmbeddedChain, Outbox, SettlementLedger]) -> LedgerSender:
    chain, _, ledger = community
    return LedgerSender(chain, ledger.address)
