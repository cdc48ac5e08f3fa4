"""The ledger's Python side: batches, proofs, idempotent writing."""

import pytest
from chain_community import EURO, MEMBERS, START_S, batch, deploy, member_address, random_batch
from eth_utils.crypto import keccak

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import SettlementLedger, commitment
from contracts.outbox import BusinessIdReusedError, Outbox
from contracts.published import ContractRefusedError
from contracts.transfers import GRID_FEE, TREASURY

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]


def test_the_published_code_is_recognised_and_other_code_is_not(community: Community) -> None:
    chain, _, ledger = community
    assert ledger.has_published_code()
    assert not SettlementLedger(connect(chain), member_address(0)).has_published_code()


def test_deploying_and_registering_again_change_nothing(community: Community) -> None:
    chain, outbox, ledger = community
    height = chain.evm.head.block_number
    assert deploy(outbox).address == ledger.address
    assert chain.evm.head.block_number == height
    assert ledger.member_count() == MEMBERS


def test_settling_a_batch_again_returns_the_same_receipt(community: Community) -> None:
    chain, _, ledger = community
    first = ledger.settle(random_batch(1, members=MEMBERS))
    height, balances = chain.evm.head.block_number, ledger.balances()
    assert ledger.settle(random_batch(1, members=MEMBERS))["transactionHash"] == first["transactionHash"]
    assert (chain.evm.head.block_number, ledger.balances()) == (height, balances)


def test_a_settled_sequence_cannot_be_given_another_content(community: Community) -> None:
    _, _, ledger = community
    ledger.settle(batch(1, {0: 5, 1: -5}))
    with pytest.raises(BusinessIdReusedError, match="settle:1"):
        ledger.settle(batch(1, {0: 6, 1: -6}))


def test_a_refusal_is_raised_by_name_before_anything_is_stored(community: Community) -> None:
    _, _, ledger = community
    with pytest.raises(ContractRefusedError, match=r"SequenceGap\(expected=1, given=2\)") as refusal:
        ledger.settle(batch(2, {0: 5, 1: -5}))
    assert (refusal.value.name, refusal.value.arguments) == ("SequenceGap", {"expected": 1, "given": 2})
    with pytest.raises(ContractRefusedError, match=rf"UnknownMember\(lane={MEMBERS}\)"):
        ledger.balance_of(MEMBERS)
    ledger.settle(batch(1, {0: 5, 1: -5}))
    ledger.settle(batch(2, {0: 5, 1: -5}))


def test_the_roots_of_a_batch_are_on_chain_and_held_by_its_commitment(community: Community) -> None:
    chain, _, ledger = community
    for sequence in (1, 2):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    found = ledger.roots(2)
    assert found is not None
    sent = random_batch(2, members=MEMBERS)
    assert (found.first_start_s, found.end_s) == (START_S + 86_400, START_S + 2 * 86_400)
    assert found.trades_root == sent.trades_root == keccak(text="trades 2")
    assert (found.readings_root, found.evidence_hash) == (sent.readings_root, sent.evidence_hash)
    assert (found.block_number, found.block_hash) == (chain.evm.head.block_number, chain.evm.head.hash)
    fields = {"sequence": 2, "first_start_s": sent.first_start_s, "end_s": sent.end_s}
    roots = {"readings_root": sent.readings_root, "evidence_hash": sent.evidence_hash}
    assert ledger.commitment(2) == commitment(**fields, **roots, trades_root=sent.trades_root)
    assert ledger.commitment(2) != commitment(**fields, **roots, trades_root=keccak(text="another trade"))
    assert ledger.commitment(3) is None
    assert ledger.roots(3) is None


@pytest.mark.parametrize(
    ("members", "system", "message"),
    [
        ({0: 5, 1: -4}, {}, "add up to 1 nano"),
        ({0: 5}, {TREASURY: -5}, "payments are issued and redeemed"),
        ({0: 5}, {"system:coffee": -5}, "system:coffee is not an account"),
        ({0: 1 << 47, 1: -(1 << 47)}, {}, "more than a lane can hold"),
        ({}, {GRID_FEE: 1 << 63, TREASURY: 0, "system:vat": -(1 << 63)}, "cannot change by"),
    ],
)
def test_a_batch_that_the_contract_could_not_take_is_not_made(
    members: dict[int, int], system: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        batch(1, members, system)


def test_payments_are_credited_and_paid_out_once(community: Community) -> None:
    _, _, ledger = community
    for _ in range(2):
        ledger.issue("bank line 7", lane=3, amount_nano=50 * EURO)
        ledger.redeem("payout 1", lane=3, amount_nano=20 * EURO)
    assert ledger.balance_of(3) == 30 * EURO
    assert ledger.system_balance(TREASURY) == -30 * EURO
    with pytest.raises(ContractRefusedError, match="InsufficientBalance"):
        ledger.redeem("payout 2", lane=3, amount_nano=31 * EURO)


def test_a_ledger_opened_for_reading_does_not_write(community: Community) -> None:
    chain, _, ledger = community
    reader = SettlementLedger(connect(chain), ledger.address)
    assert reader.balances() == ledger.balances()
    with pytest.raises(ValueError, match="reading only"):
        reader.settle(batch(1, {}))


def test_more_members_than_one_transaction_takes_are_registered_in_several(community: Community) -> None:
    _, _, ledger = community
    ledger.register_members(MEMBERS, [None] * 600)
    assert ledger.member_count() == MEMBERS + 600
    ledger.settle(batch(1, {MEMBERS + 599: 7, 0: -7}))
    assert ledger.balances()[MEMBERS + 599] == 7
