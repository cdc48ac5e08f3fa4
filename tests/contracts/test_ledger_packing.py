"""Python and the contract compute the same integers, and agree on what is refused."""

import itertools

import pytest
from chain_community import EURO, MEMBERS, OPERATOR, batch
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_sender import LedgerSender, raw_batch
from web3.exceptions import ContractLogicError

from contracts.embedded import EmbeddedChain
from contracts.ledger import CONTRACT, SYSTEM_ACCOUNTS, SettlementLedger
from contracts.outbox import Outbox
from contracts.packing import HALF_RANGE, LANE_BITS, LANES, MAX_WORDS, pack_deltas, unpack_balances
from contracts.published import explain
from contracts.transfers import TREASURY

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]
ZERO_WORD = sum(HALF_RANGE << LANE_BITS * lane for lane in range(LANES))
FREE_BITS = sum(0b111 << 48 + LANE_BITS * lane for lane in range(LANES)) | 1 << 255
WORDS = -(-MEMBERS // LANES)

any_delta = st.integers(-HALF_RANGE, HALF_RANGE - 1)
modest_delta = st.integers(-10 * EURO, 10 * EURO)


@given(st.dictionaries(st.integers(0, 200), any_delta))
def test_packed_changes_added_to_empty_balances_are_the_balances(deltas: dict[int, int]) -> None:
    first, words = pack_deltas(deltas)
    stored = [ZERO_WORD] * first + [(ZERO_WORD + word) % (1 << 256) for word in words]
    stored += [ZERO_WORD] * (41 - len(stored))
    assert unpack_balances(stored, members=201) == tuple(deltas.get(lane, 0) for lane in range(201))


def test_words_without_a_change_are_not_sent() -> None:
    assert pack_deltas({}) == (0, [])
    assert pack_deltas({3: 0}) == (0, [])
    assert pack_deltas({11: 1, 0: 0}) == (2, [1 << LANE_BITS])


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ({-1: 1}, "lane -1 does not exist"),
        ({0: HALF_RANGE}, "lane 0: a change of"),
        ({0: -HALF_RANGE - 1}, "lane 0: a change of"),
        ({0: 1, LANES * MAX_WORDS: -1}, "too far apart"),
    ],
)
def test_changes_that_no_word_can_carry_are_refused(deltas: dict[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack_deltas(deltas)


@given(
    st.lists(modest_delta, min_size=MEMBERS, max_size=MEMBERS),
    st.lists(modest_delta, min_size=6, max_size=6),
    st.sets(st.integers(1, MEMBERS - 1)),
)
def test_python_and_contract_agree_on_random_batches(
    shared_community: Community, deltas: list[int], fees: list[int], idle: set[int]
) -> None:
    _, _, ledger = shared_community
    members = {lane: 0 if lane in idle else delta for lane, delta in enumerate(deltas)}
    system = dict(zip(SYSTEM_ACCOUNTS, fees, strict=False))
    members[0] = -sum(members[lane] for lane in members if lane) - sum(fees)
    before, system_before, sequence = ledger.balances(), ledger.system_balances(), ledger.last_sequence() + 1

    ledger.settle(batch(sequence, members, system))

    after, system_after = ledger.balances(), ledger.system_balances()
    assert after == tuple(before[lane] + members[lane] for lane in range(MEMBERS))
    assert system_after == {account: system_before[account] + system.get(account, 0) for account in SYSTEM_ACCOUNTS}
    assert sum(after) + sum(system_after.values()) == 0
    assert ledger.last_sequence() == sequence
    assert [after[lane] for lane in (0, 4, 5)] == [ledger.balance_of(lane) for lane in (0, 4, 5)]


lane_field = st.one_of(st.integers(0, (1 << 51) - 1), st.integers(0, (1 << 48) - 1), st.sampled_from([HALF_RANGE, 0]))
raw_word = st.one_of(
    st.integers(0, (1 << 256) - 1),
    st.lists(lane_field, min_size=5, max_size=5).map(
        lambda fields: (sum(f << LANE_BITS * i for i, f in enumerate(fields)) - ZERO_WORD) % (1 << 256)
    ),
)


@settings(max_examples=60)
@given(st.lists(raw_word, max_size=WORDS), st.lists(any_delta, min_size=2, max_size=2), st.booleans())
def test_for_any_bits_at_all_the_contract_does_what_the_definition_says(
    shared_community: Community, words: list[int], fees: list[int], balance_it: bool
) -> None:
    chain, _, ledger = shared_community
    read = LedgerSender(chain, ledger.address).contract.functions
    biased = [(word + ZERO_WORD) % (1 << 256) for word in words]
    deltas = [(word >> LANE_BITS * lane & (1 << 48) - 1) - HALF_RANGE for word in biased for lane in range(LANES)]
    if balance_it:
        fees = [-sum(deltas), 0]
    expected = expected_refusal(biased, deltas, sum(fees), ledger.balances())
    arguments = raw_batch(ledger.last_sequence() + 1, words, system=(*fees, 0, 0, 0, 0, 0))
    try:
        read.settle(arguments).call({"from": OPERATOR.address})
        refusal = ""
    except ContractLogicError as error:
        refusal = str(explain(error, CONTRACT))
    assert refusal == expected


def expected_refusal(biased: list[int], deltas: list[int], fees: int, balances: tuple[int, ...]) -> str:
    """The first reason, in the contract's order, why changes cannot be applied; empty if they can."""
    beyond = deltas[MEMBERS:]
    if len(biased) == WORDS and (
        any(beyond) or biased[-1] >> LANE_BITS * (MEMBERS % LANES) != ZERO_WORD >> LANE_BITS * (MEMBERS % LANES)
    ):
        return f"UnknownMember(lane={MEMBERS})"
    if any(word & FREE_BITS for word in biased):
        return "DeltaTooLarge()"
    moved = [balance + delta for balance, delta in zip(balances, deltas, strict=False)]
    if any(not -HALF_RANGE <= balance < HALF_RANGE for balance in moved):
        return "LaneOverflow()"
    total = sum(deltas) + fees
    return f"NotZeroSum(sum={total})" if total else ""


@given(st.lists(st.tuples(st.integers(0, MEMBERS - 1), st.integers(0, 1000 * EURO)), max_size=6))
@settings(max_examples=15)
def test_issued_less_redeemed_is_what_the_treasury_owes(
    shared_community: Community, payments: list[tuple[int, int]]
) -> None:
    _, _, ledger = shared_community
    for lane, amount_nano in payments:
        before = ledger.balance_of(lane)
        ledger.issue(f"in {next(_ids)}", lane=lane, amount_nano=amount_nano)
        assert ledger.balance_of(lane) == before + amount_nano
        payout = max(0, min(before, amount_nano))
        if payout:
            ledger.redeem(f"out {next(_ids)}", lane=lane, amount_nano=payout)
        assert ledger.balance_of(lane) == before + amount_nano - payout
    system = ledger.system_balances()
    assert sum(ledger.balances()) + sum(system.values()) == 0
    assert system[TREASURY] <= 0


_ids = itertools.count()
