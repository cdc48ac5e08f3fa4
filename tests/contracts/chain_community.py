"""A small community on an embedded chain: keys, a clock, and batches that move its members' balances."""

import random
from datetime import UTC, datetime
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from outbox_store import SqliteOutboxStore
from web3 import Web3

from contracts.chain import connect
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.ledger import SYSTEM_ACCOUNTS, LedgerBatch, SettlementLedger
from contracts.outbox import Outbox
from meters.clock import Clock

NOWHERE = Web3.to_checksum_address("0x" + "0a" * 20)
OPERATOR: LocalAccount = Account.from_key(keccak(text="operator of the tests"))
STRANGER: LocalAccount = Account.from_key(keccak(text="stranger of the tests"))
START_S = 1_767_225_600  # 2026-01-01
MEMBERS = 23
EURO = 1_000_000_000


def fixed_clock() -> datetime:
    return datetime.fromtimestamp(START_S, UTC)


class MovedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = START_S

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


def open_chain(directory: Path, clock: Clock = fixed_clock) -> EmbeddedChain:
    return EmbeddedChain(directory / CHAIN_FILE, clock=clock)


def open_outbox(directory: Path, w3: Web3) -> Outbox:
    return Outbox(w3, OPERATOR, SqliteOutboxStore(directory / "outbox.sqlite"), lock_path=directory / "operator.lock")


def deploy(outbox: Outbox, members: int = MEMBERS) -> SettlementLedger:
    """The ledger with members 0 to `members` - 1; the first ones have wallets."""
    ledger = SettlementLedger.deploy(outbox, currency="EUR")
    ledger.register_members(0, [member_address(lane) if lane < 3 else None for lane in range(members)])
    return ledger


def member_address(lane: int) -> str:
    return Web3.to_checksum_address((0xFACE0000 + lane).to_bytes(20))


def batch(sequence: int, members: dict[int, int], system: dict[str, int] | None = None) -> LedgerBatch:
    """A batch of one day with roots made from its sequence."""
    return LedgerBatch(
        sequence=sequence,
        first_start_s=START_S + 86_400 * (sequence - 1),
        end_s=START_S + 86_400 * sequence,
        member_deltas_nano=members,
        system_deltas_nano=system or {},
        trades_root=keccak(text=f"trades {sequence}"),
        readings_root=keccak(text=f"readings {sequence}"),
        evidence_hash=keccak(text=f"evidence {sequence}"),
    )


def random_batch(sequence: int, *, members: int, largest_nano: int = 10 * EURO) -> LedgerBatch:
    """The same batch for the same sequence, every member and the usual fee accounts moved."""
    draw = random.Random(sequence)  # noqa: S311 (test data)
    deltas = {lane: draw.randint(-largest_nano, largest_nano) for lane in range(1, members)}
    system = {account: draw.randint(1, largest_nano) for account in SYSTEM_ACCOUNTS[:6]}
    deltas[0] = -sum(deltas.values()) - sum(system.values())
    return batch(sequence, deltas, system)


def open_community(directory: Path) -> tuple[EmbeddedChain, Outbox, SettlementLedger]:
    chain = open_chain(directory)
    outbox = open_outbox(directory, connect(chain))
    return chain, outbox, deploy(outbox)


def operator_nonce(chain: EmbeddedChain) -> int:
    return chain.evm.nonce(bytes.fromhex(OPERATOR.address[2:]))
