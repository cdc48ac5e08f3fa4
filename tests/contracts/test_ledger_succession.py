"""How the office of the administrator and the whole ledger pass on: announced, after their time, and nothing lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_community import (
    EURO,
    MEMBERS,
    OPERATOR,
    STRANGER,
    MovedClock,
    batch,
    deploy,
    member_address,
    open_chain,
    open_outbox,
    random_batch,
)
from ledger_sender import LedgerSender, raw_batch

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import SettlementLedger
from contracts.outbox import Outbox
from contracts.published import ContractRefusedError

DAY_S = 86_400
WEEK_S = 7 * DAY_S


class Town:
    """A ledger with two settled batches and a payment, on a chain whose clock the test moves."""

    def __init__(self, directory: Path) -> None:
        self.clock = MovedClock()
        self.chain: EmbeddedChain = open_chain(directory, self.clock)
        self.outbox: Outbox = open_outbox(directory, connect(self.chain))
        self.ledger: SettlementLedger = deploy(self.outbox)
        for sequence in (1, 2):
            self.ledger.settle(random_batch(sequence, members=MEMBERS))
        self.ledger.issue("bank line 1", lane=1, amount_nano=50 * EURO)
        self.old = LedgerSender(self.chain, self.ledger.address)

    def next_ledger(self) -> SettlementLedger:
        return SettlementLedger.deploy(self.outbox, currency="EUR", predecessor=self.ledger.address)

    def wait(self, seconds: int) -> None:
        self.clock.seconds = self.chain.evm.head.timestamp + seconds


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.outbox.close()
    town.chain.close()


def test_a_successor_takes_over_every_balance_and_the_community_goes_on(town: Town) -> None:
    balances, system = town.ledger.balances(), town.ledger.system_balances()
    heir = town.next_ledger()
    town.ledger.announce_successor(heir.address)
    town.wait(WEEK_S)
    town.ledger.hand_over()
    heir.adopt()
    heir.adopt()
    assert heir.has_published_code()
    assert (heir.balances(), heir.system_balances()) == (balances, system)
    assert (heir.last_sequence(), heir.member_count()) == (2, MEMBERS)
    assert [heir.roots(sequence) for sequence in (1, 2)] == [town.ledger.roots(sequence) for sequence in (1, 2)]
    assert heir.roots(4) is None
    heir.settle(batch(3, {0: 5, 1: -5}))
    heir.register_members(MEMBERS, [member_address(50)])
    assert heir.balance_of(0) == balances[0] + 5
    assert town.ledger.balance_of(0) == balances[0]
    assert heir.roots(3) is not None
    wallet = LedgerSender(town.chain, heir.address)
    assert wallet.read("balanceOf", member_address(1)) == heir.balance_of(1) > 0
    known = member_address(0)
    assert wallet.refusal("registerMembers", MEMBERS + 1, [known]) == f"AlreadyRegistered(account={known.lower()})"


def test_a_large_community_is_copied_in_parts_and_opens_with_the_last(town: Town) -> None:
    town.ledger.register_members(MEMBERS, [None] * 40)
    heir = town.next_ledger()
    sender = LedgerSender(town.chain, heir.address)
    town.ledger.announce_successor(heir.address)
    town.wait(WEEK_S)
    town.ledger.hand_over()
    words = -(-(MEMBERS + 40) // 5)
    for first in range(0, words, 4):
        assert sender.refusal("settle", raw_batch(3, [])) == "EnforcedPause()"
        assert sender.refusal("unpause") == f"NotTheSuccessor(predecessor={town.ledger.address.lower()})"
        receipt = sender.succeeds("adopt", 4)
        last = first + 4 >= words
        count = words - first if last else 4
        assert sender.events("BalancesAdopted", receipt) == [{"firstWord": first, "count": count, "complete": last}]
    assert sender.refusal("adopt", 4) == "NothingToAdopt()"
    assert heir.balances() == town.ledger.balances()
    sender.succeeds("settle", raw_batch(3, []))


def test_nobody_takes_over_unannounced_or_before_the_week_is_over(town: Town) -> None:
    heir = LedgerSender(town.chain, town.next_ledger().address)
    address = heir.contract.address
    not_yet = f"NotTheSuccessor(predecessor={town.ledger.address.lower()})"
    assert town.old.refusal("handOver") == "NoSuccessor()"
    assert town.old.refusal("withdrawSuccessor") == "NoSuccessor()"
    assert town.old.refusal("announceSuccessor", "0x" + "00" * 20) == "NoSuccessor()"
    assert heir.refusal("adopt", 10) == not_yet
    town.old.succeeds("announceSuccessor", address)
    assert heir.refusal("adopt", 10) == not_yet
    town.wait(WEEK_S - 10)
    assert town.old.refusal("handOver").startswith("SuccessionTooEarly(from=")
    town.old.succeeds("withdrawSuccessor")
    town.wait(WEEK_S)
    assert town.old.refusal("handOver") == "NoSuccessor()"
    town.old.succeeds("announceSuccessor", member_address(9))
    town.wait(WEEK_S)
    town.old.succeeds("handOver")
    assert heir.refusal("adopt", 10) == not_yet  # another one was announced
    with pytest.raises(ContractRefusedError, match="NothingToAdopt"):
        town.ledger._write("adopt nothing", "adopt", 1)


def test_a_ledger_that_was_handed_over_is_closed_for_good(town: Town) -> None:
    heir = town.next_ledger().address
    town.old.succeeds("announceSuccessor", heir)
    town.wait(WEEK_S)
    town.old.succeeds("pause")  # a paused ledger can be handed over too
    town.old.succeeds("handOver")
    closed = f"AlreadyHandedOver(successor={heir.lower()})"
    assert town.old.refusal("settle", raw_batch(3, [])) == "EnforcedPause()"
    for function, arguments in (
        ("unpause", []),
        ("handOver", []),
        ("withdrawSuccessor", []),
        ("announceSuccessor", [member_address(1)]),
    ):
        assert town.old.refusal(function, *arguments) == closed


def test_only_the_admin_decides_about_succession_and_only_the_settler_copies(town: Town) -> None:
    for function, arguments in (
        ("announceSuccessor", [member_address(1)]),
        ("withdrawSuccessor", []),
        ("handOver", []),
        ("adopt", [1]),
    ):
        refusal = town.old.refusal(function, *arguments, key=STRANGER)
        assert refusal.startswith("AccessControlUnauthorizedAccount(")


def test_the_office_of_the_admin_passes_in_two_steps_with_two_days_between(town: Town) -> None:
    admin_role = b"\x00" * 32
    assert town.old.refusal("grantRole", admin_role, STRANGER.address) == "AccessControlEnforcedDefaultAdminRules()"
    assert town.old.refusal("beginDefaultAdminTransfer", STRANGER.address, key=STRANGER).startswith(
        "AccessControlUnauthorizedAccount("
    )
    town.old.succeeds("beginDefaultAdminTransfer", STRANGER.address)
    assert town.old.refusal("acceptDefaultAdminTransfer").startswith("AccessControlInvalidDefaultAdmin(")
    town.wait(2 * DAY_S - 10)
    refusal = town.old.refusal("acceptDefaultAdminTransfer", key=STRANGER)
    assert refusal.startswith("AccessControlEnforcedDefaultAdminDelay(")
    town.wait(20)
    town.old.succeeds("acceptDefaultAdminTransfer", key=STRANGER)
    assert town.old.read("owner") == STRANGER.address
    assert town.old.refusal("pause", key=OPERATOR).startswith("AccessControlUnauthorizedAccount(")
    town.old.succeeds("pause", key=STRANGER)
