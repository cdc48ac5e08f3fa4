"""The community's ledger on the chain: who holds the key, how it is founded, how it is opened again."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from sqlalchemy import Engine
from web3 import Web3
from web3.types import TxReceipt

from app.errors import InputError
from app.storage.database import reading, writing
from app.storage.store.chain import DatabaseOutboxStore
from app.storage.store.community import Community, save_certificates, save_chain, the_community
from app.storage.store.members import participants
from contracts.certificate_contract import EnergyCertificates
from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import CONTRACT, LedgerBatch, SettlementLedger
from contracts.outbox import Outbox, Policy
from contracts.published import artifact
from meters.clock import Clock
from meters.signing import SigningDomain

KEY_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccess:
    """An open ledger, and the certificates beside it.

    `embedded` is the chain in this process, None when it is served by another.
    """

    ledger: SettlementLedger
    certificates: EnergyCertificates
    outbox: Outbox
    embedded: EmbeddedChain | None

    def close(self) -> None:
        """Give key and chain free for another process."""
        self.outbox.close()
        if self.embedded is not None:
            self.embedded.close()


class LateLedger:
    """A ledger that is opened when its chain answers: rounds need not wait for it, only their settlement does."""

    def __init__(self, open_now: Callable[[], LedgerAccess]) -> None:
        self._open_now = open_now
        self.access: LedgerAccess | None = None

    def connect(self) -> LedgerAccess:
        """The open ledger. Raises ChainUnreachable while there is no answer, and what `open_ledger` raises."""
        if self.access is None:
            self.access = self._open_now()
        return self.access

    def settle(self, batch: LedgerBatch) -> TxReceipt:
        """As `SettlementLedger.settle`."""
        return self.connect().ledger.settle(batch)

    def issue(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt:
        """As `SettlementLedger.issue`."""
        return self.connect().ledger.issue(business_id, lane=lane, amount_nano=amount_nano)

    def redeem(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt:
        """As `SettlementLedger.redeem`."""
        return self.connect().ledger.redeem(business_id, lane=lane, amount_nano=amount_nano)

    def certificates(self) -> EnergyCertificates:
        """The certificates' contract. Raises as `connect`."""
        return self.connect().certificates

    def account_lane(self, account: str) -> int | None:
        """As `SettlementLedger.account_lane`."""
        return self.connect().ledger.account_lane(account)

    def move_account(self, business_id: str, *, lane: int, before: str | None, after: str | None) -> TxReceipt:
        """As `SettlementLedger.move_account`."""
        return self.connect().ledger.move_account(business_id, lane=lane, before=before, after=after)

    def has_published_code(self) -> bool:
        """As `SettlementLedger.has_published_code`."""
        return self.connect().ledger.has_published_code()

    def close(self) -> None:
        """Give key and chain free; `connect` opens them again."""
        access, self.access = self.access, None
        if access is not None:
            access.close()


def settler_key(path: Path, *, seed: str | None = None) -> LocalAccount:
    """The key that settles, made on first use: from `seed` in a simulation, from the system's entropy otherwise.

    Raises InputError if the file is not a key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = os.urandom(32) if seed is None else keccak(f"settler:{seed}".encode())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret.hex() + "\n")
    text = path.read_text().strip()
    if len(text) != 64 or any(digit not in "0123456789abcdef" for digit in text):
        raise InputError(f"{path} does not hold a key (64 hexadecimal digits): restore it from a backup")
    account: LocalAccount = Account.from_key(bytes.fromhex(text))
    return account


def open_ledger(engine: Engine, *, chain: Path | str, key: LocalAccount, clock: Clock, lock_path: Path) -> LedgerAccess:
    """Open the ledger, founding it on first use; `chain` is the file of an embedded chain or the URL of a served one.

    Founding deploys the contracts, registers every member with a lane and remembers where they are. What a crash cut
    off is completed here, and a contract that came with a later version is deployed. Raises ChainUnreachable while a
    served chain does not answer, InputError if it is another chain.
    """
    with reading(engine) as connection:
        community = the_community(connection)
    embedded = None if isinstance(chain, str) else EmbeddedChain(chain, clock=clock, seed=community.tie_seed)
    w3 = connect(embedded if embedded is not None else str(chain))
    with contextlib.ExitStack() as if_it_fails:
        if embedded is not None:
            if_it_fails.callback(embedded.close)
        _require_same_chain(w3, community)
        outbox = Outbox(w3, key, DatabaseOutboxStore(engine, clock), lock_path=lock_path, policy=Policy())
        if_it_fails.callback(outbox.close)
        outbox.recover()
        ledger = _found(engine, community, outbox)
        register_new_members(engine, ledger)
        certificates = _certificates(engine, community, outbox)
        if_it_fails.pop_all()
    return LedgerAccess(ledger=ledger, certificates=certificates, outbox=outbox, embedded=embedded)


def register_new_members(engine: Engine, ledger: SettlementLedger) -> None:
    """Give every member with a lane a place in the contract; those who have one keep it."""
    with reading(engine) as connection:
        lanes = {person.lane: person.account_address for person in participants(connection) if person.lane is not None}
    known = ledger.member_count()
    if len(lanes) > known:
        ledger.register_members(known, [lanes[lane] for lane in range(known, len(lanes))])


def signing_domain(community: Community) -> SigningDomain:
    """What gateways sign for. Raises InputError before the ledger is founded."""
    domain = community.signing_domain
    if domain is None:
        raise InputError("the community has no ledger yet: start it once with `commonwatt up`")
    return domain


def _require_same_chain(w3: Web3, community: Community) -> None:
    """Raises InputError if the chain is not the one on which the community's ledger was founded."""
    if community.genesis_hash is not None and community.genesis_hash != "0x" + w3.eth.get_block(0)["hash"].hex():
        raise InputError(
            f"the chain is not the one with the community's ledger {community.ledger_address}: "
            "restore that chain from a backup, or correct its address"
        )


def _found(engine: Engine, community: Community, outbox: Outbox) -> SettlementLedger:
    if community.ledger_address is not None:
        return SettlementLedger(outbox.w3, community.ledger_address, outbox=outbox)
    ledger = SettlementLedger.deploy(outbox, currency=community.currency)
    genesis_hash = outbox.w3.eth.get_block(0)["hash"]
    with writing(engine) as connection:
        save_chain(
            connection,
            chain_id=outbox.w3.eth.chain_id,
            ledger_address=ledger.address,
            ledger_code_hash=artifact(CONTRACT)["runtime_hash"],
            genesis_hash="0x" + genesis_hash.hex(),
        )
    return ledger


def _certificates(engine: Engine, community: Community, outbox: Outbox) -> EnergyCertificates:
    if community.certificates_address is not None:
        return EnergyCertificates(outbox, community.certificates_address)
    certificates = EnergyCertificates.deploy(outbox, interval_minutes=community.market_time_unit_minutes)
    with writing(engine) as connection:
        save_certificates(connection, certificates.address)
    return certificates
