"""Whatever is settled, issued, redeemed and refused in any order: nothing is created, nobody's debt stops a batch."""

import tempfile
from pathlib import Path

from chain_community import EURO, open_chain, open_outbox
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ledger_sender import LedgerSender, raw_batch

from contracts.chain import connect
from contracts.ledger import SettlementLedger
from contracts.packing import HALF_RANGE, LANE_BITS, pack_deltas

MEMBERS = 7  # a full word and a part of one
LARGEST = HALF_RANGE - 1
lane = st.integers(0, MEMBERS - 1)
delta = st.one_of(st.integers(-50_000 * EURO, 50_000 * EURO), st.integers(-5, 5), st.sampled_from([LARGEST, -LARGEST]))


class Ledger(RuleBasedStateMachine):
    """The contract beside a list of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        folder = Path(self.directory.name)
        self.chain = open_chain(folder)
        self.outbox = open_outbox(folder, connect(self.chain))
        self.ledger = SettlementLedger.deploy(self.outbox, currency="EUR")
        self.ledger.register_members(0, [None] * MEMBERS)
        self.sender = LedgerSender(self.chain, self.ledger.address)
        self.balances = [0] * MEMBERS
        self.system = [0] * 8
        self.sequence = 0

    def call(self, reason: str, function: str, *arguments: object) -> bool:
        assert self.sender.reason(function, *arguments) == reason
        assert (self.sender.send(function, *arguments)["status"] == 1) == (reason == "")
        return reason == ""

    @rule(deltas=st.lists(delta, min_size=MEMBERS, max_size=MEMBERS), fees=st.lists(delta, min_size=7, max_size=7))
    def settle(self, deltas: list[int], fees: list[int]) -> None:
        fees = [-sum(deltas) - sum(fees[1:]), *fees[1:]]
        moved = [balance + change for balance, change in zip(self.balances, deltas, strict=True)]
        system = [balance + change for balance, change in zip(self.system, [*fees, 0], strict=True)]
        # A member's balance has no limit of its own: only what a lane can hold, 140 000 units of currency, refuses.
        fits = all(-HALF_RANGE <= balance < HALF_RANGE for balance in moved)
        _, words = pack_deltas(dict(enumerate(deltas)))
        first = pack_deltas(dict(enumerate(deltas)))[0]
        batch = raw_batch(self.sequence + 1, words, first_word=first, system=tuple(fees))
        if self.call("" if fits else "LaneOverflow()", "settle", batch):
            self.balances, self.system = moved, system
            self.sequence += 1

    @rule(of=st.integers(-2, 3).filter(lambda offset: offset != 1))
    def settle_another_sequence(self, of: int) -> None:
        given = max(0, self.sequence + of)
        self.call(f"SequenceGap(expected={self.sequence + 1}, given={given})", "settle", raw_batch(given, []))

    @rule(position=lane, amount=st.sampled_from([1, -1, 7 * EURO, LARGEST]), width=st.sampled_from([0, 48, 49, 50, 51]))
    def create_money(self, position: int, amount: int, width: int) -> None:
        """One-sided changes, and those that add up to 2^width - 1: zero where a sum is taken modulo that."""
        deltas = {position: amount}
        if width:
            full, rest = divmod((1 << width) - 1, LARGEST)
            if full >= MEMBERS:
                return
            deltas = dict.fromkeys(range(full), LARGEST) | {full: rest}
        first, words = pack_deltas(deltas)
        moved = [balance + deltas.get(index, 0) for index, balance in enumerate(self.balances)]
        fits = all(-HALF_RANGE <= balance < HALF_RANGE for balance in moved)
        reason = f"NotZeroSum(sum={sum(deltas.values())})" if fits else "LaneOverflow()"
        self.call(reason, "settle", raw_batch(self.sequence + 1, words, first_word=first))

    @rule(position=lane, bits=st.integers(48, LANE_BITS - 1))
    def hide_money_in_free_bits(self, position: int, bits: int) -> None:
        word = [1 << LANE_BITS * (position % 5) + bits]
        refused = self.sender.send("settle", raw_batch(self.sequence + 1, word, first_word=0))
        assert refused["status"] == 0

    @rule(position=lane, amount=st.one_of(st.integers(0, 100_000 * EURO), st.just(LARGEST)))
    def issue(self, position: int, amount: int) -> None:
        fits = self.balances[position] + amount < HALF_RANGE
        if self.call("" if fits else "LaneOverflow()", "issue", position, amount):
            self.balances[position] += amount
            self.system[7] -= amount

    @rule(position=lane, amount=st.integers(0, 100_000 * EURO))
    def redeem(self, position: int, amount: int) -> None:
        balance = self.balances[position]
        covered = amount <= balance
        reason = "" if covered else f"InsufficientBalance(lane={position}, balance={balance}, amount={amount})"
        if self.call(reason, "redeem", position, amount):
            self.balances[position] -= amount
            self.system[7] += amount

    @invariant()
    def the_contract_holds_these_integers_and_they_add_up_to_what_was_paid_in(self) -> None:
        balances, system = self.ledger.balances(), list(self.ledger.system_balances().values())
        assert (list(balances), system) == (self.balances, self.system)
        issued_less_redeemed = -system[7]
        assert sum(balances) + sum(system[:7]) == issued_less_redeemed
        assert self.ledger.last_sequence() == self.sequence

    def teardown(self) -> None:
        self.outbox.close()
        self.chain.close()
        self.directory.cleanup()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=settings.default.max_examples // 4, stateful_step_count=20)
