"""Another ledger takes over: statements of before and after are proved by both verifiers, and wallets follow."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from sqlalchemy import Engine

from app.cli import main
from app.errors import InputError
from app.ledger_access import LedgerAccess, open_ledger, settler_key
from app.ledger_succession import announce_successor, hand_over
from app.ledger_wallets import bring_wallets_to_ledger
from app.local_time import LocalMonth
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from app.statement_proof import proof_document
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.settlement import batches
from app.storage.store.wallets import wallet_moves
from app.wallets import Site, begin_binding, bind_wallet
from contracts.ledger import SettlementLedger
from contracts.published import artifact
from contracts.rpc import read_only_dispatch
from contracts.rpc_client import dispatched_rpc
from contracts.statement import load_statement
from contracts.verify import verify_statement
from contracts.verify_chain import Rpc
from tests.app.community_day import ZONE, CommunityDay, StandingClock
from tests.contracts.strangers import verdict

JUNE = LocalMonth.parse("2016-06", ZONE)
LATER = datetime(2016, 6, 20, tzinfo=ZONE)
WEEK = timedelta(days=7, minutes=5)
"""And a little: no block is of the same second as the one before."""
WALLET, OTHER_WALLET = (Account.from_key(keccak(text=name)) for name in ("wallet", "other wallet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A street of the test's own with its ledger open, and its clock."""

    engine: Engine
    access: LedgerAccess
    clock: StandingClock

    @property
    def rpc(self) -> Rpc:
        chain = self.access.embedded
        assert chain is not None
        return dispatched_rpc(lambda request: read_only_dispatch(chain, request))

    def now_s(self) -> int:
        return int(self.clock().timestamp())

    def statement(self, member: str) -> dict[str, object]:
        with reading(self.engine) as connection:
            return load_statement(json.dumps(proof_document(connection, member, JUNE)))

    def take_over(self) -> SettlementLedger:
        announce_successor(self.engine, self.access, now_s=self.now_s())
        self.clock.instant += WEEK
        return hand_over(self.engine, self.access, now_s=self.now_s())

    def bind(self, member: str, wallet: Account) -> None:
        with writing(self.engine) as connection:
            site = Site(domain="street.invalid", uri="https://street.invalid")
            message = begin_binding(connection, member, wallet.address, site=site, now_s=self.now_s())
            signed = wallet.sign_message(encode_defunct(text=message)).signature.hex()
            bind_wallet(connection, member, signed, now_s=self.now_s())


def opened(day: CommunityDay, clock: StandingClock) -> Town:
    engine, folder = day.open(), day.chain.parent
    access = open_ledger(
        engine,
        chain=day.chain,
        key=settler_key(folder / "keys" / "settler", seed="street"),
        clock=clock,
        lock_path=folder / "settler.lock",
    )
    return Town(engine=engine, access=access, clock=clock)


@pytest.fixture
def day(street: CommunityDay, tmp_path: Path) -> CommunityDay:
    return replace(street.copy(tmp_path), chain=Path(shutil.copy(street.chain, tmp_path / "chain.sqlite")))


@pytest.fixture
def town(day: CommunityDay) -> Iterator[Town]:
    town = opened(day, StandingClock(LATER))
    yield town
    town.access.close()
    town.engine.dispose()


def proved(document: dict[str, object], rpc: Rpc) -> list[str]:
    """What does not hold by the app's verifier, and by the script for strangers."""
    ours = [f"{each.line}: {each.detail}" for each in verify_statement(document, rpc) if not each.holds]
    told = verdict(document, rpc)
    return [*ours, *([told] if told else [])]


def test_statements_of_before_and_after_the_hand_over_are_proved_by_both_verifiers(town: Town) -> None:
    before, old = town.statement("M02"), town.access.ledger.address
    with reading(town.engine) as connection:
        signed_for = the_community(connection).signing_domain
    heir = town.take_over()
    desk = SettlementDesk(engine=town.engine, clock=town.clock, ledger=heir)
    assert (settle_due_periods(desk), anchor_batches(desk)) == ([2], [2])
    after = town.statement("M02")
    assert [entry["sequence"] for entry in before["batches"]] == [1]
    assert [entry["sequence"] for entry in after["batches"]] == [1, 2]
    assert (before["chain"]["ledger"], after["chain"]["ledger"]) == (old, heir.address)
    assert proved(before, town.rpc) == []
    assert proved(after, town.rpc) == []
    with reading(town.engine) as connection:
        assert the_community(connection).signing_domain == signed_for, "gateways notice nothing"
        assert {each.state for each in batches(connection)} == {"final"}
    altered = json.loads(json.dumps(after))
    altered["batches"][0]["net_nano"] += 1
    assert len(proved(altered, town.rpc)) >= 2, "each of the two names it"


def test_a_ledger_that_names_a_predecessor_of_other_code_is_not_believed(town: Town) -> None:
    """It could say of any batch what it likes."""
    document = town.statement("M02")
    contract = town.access.certificates.address
    impostor = SettlementLedger.deploy(town.access.outbox, currency="EUR", predecessor=contract)
    document["chain"]["ledger"] = impostor.address
    (ours, *_), told = proved(document, town.rpc), verdict(document, town.rpc)
    assert "is no published one" in ours
    assert "is no published one" in told


def test_the_week_must_pass_and_what_was_cut_off_is_completed(town: Town) -> None:
    with pytest.raises(InputError, match="no successor is announced"):
        hand_over(town.engine, town.access, now_s=town.now_s())
    first = announce_successor(town.engine, town.access, now_s=town.now_s())
    assert announce_successor(town.engine, town.access, now_s=town.now_s()) == first
    with pytest.raises(InputError, match="the week since the announcement is not over"):
        hand_over(town.engine, town.access, now_s=town.now_s())
    town.clock.instant += WEEK
    town.access.ledger.hand_over()  # and killed before the balances were copied
    balances = town.access.ledger.balances()
    heir = hand_over(town.engine, town.access, now_s=town.now_s())
    again = hand_over(town.engine, town.access, now_s=town.now_s())
    assert again.address == heir.address == first.successor
    assert (heir.balances(), heir.last_sequence()) == (balances, 1)


def test_the_balance_is_shown_to_the_wallet_that_was_bound_last(town: Town) -> None:
    ledger = town.access.ledger
    for wallet in (WALLET, OTHER_WALLET, WALLET):
        town.bind("M02", wallet)
        assert bring_wallets_to_ledger(town.engine, ledger) == ["M02"]
        assert bring_wallets_to_ledger(town.engine, ledger) == []
        shown = {each.address: ledger.account_lane(each.address) for each in (WALLET, OTHER_WALLET)}
        assert shown == {WALLET.address: None, OTHER_WALLET.address: None} | {wallet.address: 1}
    heir = town.take_over()
    assert heir.account_lane(WALLET.address) == 1
    town.bind("M02", OTHER_WALLET)
    assert bring_wallets_to_ledger(town.engine, heir) == ["M02"]
    assert (heir.account_lane(WALLET.address), heir.account_lane(OTHER_WALLET.address)) == (None, 1)


def test_a_wallet_that_was_shown_before_a_crash_is_not_shown_twice(town: Town) -> None:
    town.bind("M02", WALLET)
    with reading(town.engine) as connection:
        (move,) = wallet_moves(connection)
    town.access.ledger.move_account(str(move.id), lane=1, before=None, after=WALLET.address)
    blocks = town.rpc("eth_blockNumber", [])
    assert bring_wallets_to_ledger(town.engine, town.access.ledger) == ["M02"]
    assert town.rpc("eth_blockNumber", []) == blocks


def test_the_command_tells_announces_and_hands_over(day: CommunityDay, monkeypatch: pytest.MonkeyPatch) -> None:
    state = day.chain.parent
    settler_key(state / "keys" / "settler", seed="street")
    shutil.copy(day.database, state / "community.sqlite") if day.database != state / "community.sqlite" else None
    monkeypatch.setenv("COMMONWATT_STATE", str(state))
    monkeypatch.setenv("COMMONWATT_SECRET_KEY", "t" * 40)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["ledger", *arguments])
        return result.exit_code, result.output

    code, told = run("status")
    assert code == 0, told
    assert "this version's code" in told
    assert "no successor is announced" in told
    code, told = run("hand-over", "--yes")
    assert (code, len(told.splitlines())) == (2, 1)
    assert "commonwatt ledger announce" in told
    code, told = run("announce")
    assert code == 0, told
    assert "may take over from" in told
    code, told = run("hand-over", "--yes")
    assert (code, len(told.splitlines())) == (2, 1)
    assert "is not over" in told
    town = opened(day, StandingClock(LATER))
    try:
        code, told = run("status")
        assert (code, len(told.splitlines())) == (2, 1), "the worker has the key"
    finally:
        town.access.close()
        town.engine.dispose()
    assert artifact("SettlementLedger")["runtime_hash"]
