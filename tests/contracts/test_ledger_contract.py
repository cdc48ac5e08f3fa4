"""Every refusal of the ledger contract by its name, beside the success it stands next to."""

import pytest
from chain_community import EURO, MEMBERS, OPERATOR, STRANGER, member_address
from ledger_sender import NO_FEES, LedgerSender, raw_batch

from contracts.packing import HALF_RANGE, LANE_BITS, MAX_WORDS

LARGEST = HALF_RANGE - 1
WORDS = -(-MEMBERS // 5)


def lanes(*deltas: int) -> list[int]:
    """Words for the first lanes, with no check at all."""
    return [
        sum(delta << LANE_BITS * position for position, delta in enumerate(deltas[start : start + 5])) % (1 << 256)
        for start in range(0, len(deltas), 5)
    ]


def test_a_batch_moves_balances_and_a_sum_that_is_not_zero_is_refused(sender: LedgerSender) -> None:
    sender.succeeds("settle", raw_batch(1, lanes(-7, 4, 0, 0, 0, 1), system=(2, 0, 0, 0, 0, 0, 0)))
    assert [sender.contract.functions.balanceOfLane(lane).call() for lane in (0, 1, 2, 5)] == [-7, 4, 0, 1]
    assert sender.contract.functions.systemBalances().call() == [2, 0, 0, 0, 0, 0, 0, 0]
    assert sender.refusal("settle", raw_batch(2, lanes(-7, 8))) == "NotZeroSum(sum=1)"
    assert sender.refusal("settle", raw_batch(2, lanes(-7, 7), system=(0, 0, 0, -1, 0, 0, 0))) == "NotZeroSum(sum=-1)"


def test_every_system_account_of_a_batch_is_its_own(sender: LedgerSender) -> None:
    sender.succeeds("settle", raw_batch(1, lanes(-127), system=(1, 2, 4, 8, 16, 32, 64)))
    sender.succeeds("settle", raw_batch(2, lanes(-900), system=(900, 0, 0, -5, 5, 0, 0)))
    assert sender.contract.functions.systemBalances().call() == [901, 2, 4, 3, 21, 32, 64, 0]


def test_sequences_follow_each_other_and_a_repeat_or_a_gap_is_refused(sender: LedgerSender) -> None:
    sender.succeeds("settle", raw_batch(1, []))
    assert sender.refusal("settle", raw_batch(1, [])) == "SequenceGap(expected=2, given=1)"
    assert sender.refusal("settle", raw_batch(3, [])) == "SequenceGap(expected=2, given=3)"
    sender.succeeds("settle", raw_batch(2, []))


def test_a_lane_holds_its_whole_range_and_not_one_nano_more(sender: LedgerSender) -> None:
    sender.succeeds("settle", raw_batch(1, lanes(LARGEST, -LARGEST, 1, 0, -1)))
    assert sender.contract.functions.balanceOfLane(0).call() == LARGEST
    assert sender.refusal("settle", raw_batch(2, lanes(1, 0, -1))) == "LaneOverflow()"
    sender.succeeds("settle", raw_batch(2, lanes(0, -1, 1)))
    assert sender.contract.functions.balanceOfLane(1).call() == -HALF_RANGE
    assert sender.refusal("settle", raw_batch(3, lanes(0, -1, 1))) == "LaneOverflow()"
    assert sender.refusal("issue", 0, 1) == "LaneOverflow()"


def test_members_are_known_by_their_lane_and_no_other_lane_can_be_touched(sender: LedgerSender) -> None:
    used = MEMBERS % 5
    refusal = f"UnknownMember(lane={MEMBERS})"
    sender.succeeds("settle", raw_batch(1, lanes(*[0] * (used - 2), -5, 5), first_word=WORDS - 1))
    beyond_in_word = lanes(*[0] * (used - 1), -5, 5)
    assert sender.refusal("settle", raw_batch(2, beyond_in_word, first_word=WORDS - 1)) == refusal
    assert sender.refusal("settle", raw_batch(2, [0], first_word=WORDS)) == refusal
    assert sender.refusal("settle", raw_batch(2, [0] * (WORDS + 1))) == refusal
    assert sender.refusal("settle", raw_batch(2, [0], first_word=2**256 - 1)) == refusal
    assert sender.refusal("issue", MEMBERS, 1) == refusal
    assert sender.refusal("redeem", MEMBERS, 0) == refusal


def test_a_change_as_large_as_a_lane_is_taken_and_a_larger_one_refused(sender: LedgerSender) -> None:
    assert sender.refusal("settle", raw_batch(1, lanes(HALF_RANGE, -LARGEST, -1))) == "DeltaTooLarge()"
    assert sender.refusal("settle", raw_batch(1, lanes(-HALF_RANGE - 1, LARGEST, 2))) == "DeltaTooLarge()"
    assert sender.refusal("settle", raw_batch(1, [1 << 255])) == "DeltaTooLarge()"
    assert sender.refusal("issue", 0, HALF_RANGE) == "DeltaTooLarge()"
    assert sender.refusal("redeem", 0, 2**255) == "DeltaTooLarge()"
    sender.succeeds("settle", raw_batch(1, lanes(-HALF_RANGE, LARGEST, 1)))


def test_a_batch_has_a_period_and_an_empty_one_is_refused(sender: LedgerSender) -> None:
    assert sender.refusal("settle", raw_batch(1, [], first_start_s=5, end_s=5)) == "InvalidPeriod(firstStart=5, end=5)"
    sender.succeeds("settle", raw_batch(1, [], first_start_s=5, end_s=6))


def test_more_words_than_a_sum_is_proved_for_are_refused(sender: LedgerSender) -> None:
    assert sender.refusal("settle", raw_batch(1, [0] * (MAX_WORDS + 1))) == f"TooManyWords(given={MAX_WORDS + 1})"
    sender.succeeds("settle", raw_batch(1, [0] * WORDS))


def test_a_system_account_cannot_leave_its_range(sender: LedgerSender) -> None:
    largest = (1 << 63) - 1
    sender.succeeds("settle", raw_batch(1, [], system=(largest, -largest, 0, 0, 0, 0, 0)))
    assert sender.refusal("settle", raw_batch(2, [], system=(1, -1, 0, 0, 0, 0, 0))) == "SystemOverflow()"
    assert sender.refusal("settle", raw_batch(2, [], system=(0, -2, 2, 0, 0, 0, 0))) == "SystemOverflow()"
    sender.succeeds("settle", raw_batch(2, [], system=(-largest, largest, 0, 0, 0, 0, 0)))


def test_the_wrap_around_that_creates_money_from_nothing_is_refused(sender: LedgerSender) -> None:
    # A sum checked modulo 2^W - 1 takes all-positive changes that add up to 2^W - 1 for zero.
    sender.succeeds("registerMembers", MEMBERS, [member_address(100 + lane) for lane in range(20)])
    for width in (48, 49, 50, 51):
        full, rest = divmod((1 << width) - 1, LARGEST)
        words = lanes(*[LARGEST] * full, rest)
        assert sender.refusal("settle", raw_batch(1, words)) == f"NotZeroSum(sum={(1 << width) - 1})"
    # Words that cancel only modulo 2^256 do not hide a change either; a borrow between lanes is two honest changes.
    assert sender.refusal("settle", raw_batch(1, [1 << 204, (1 << 256) - (1 << 204) + 1])) == "NotZeroSum(sum=1)"
    sender.succeeds("settle", raw_batch(1, [(1 << LANE_BITS) - 1]))
    assert [sender.contract.functions.balanceOfLane(lane).call() for lane in (0, 1, 2)] == [-1, 1, 0]


def test_only_the_settler_settles_and_registers(sender: LedgerSender) -> None:
    role = "0x" + sender.contract.functions.SETTLER_ROLE().call().hex()
    for function, arguments in (("settle", [raw_batch(1, [])]), ("registerMembers", [MEMBERS, []])):
        refusal = sender.refusal(function, *arguments, key=STRANGER)
        assert refusal.startswith("AccessControlUnauthorizedAccount(")
        assert STRANGER.address.lower() in refusal.lower()
        assert str(bytes.fromhex(role[2:])) in refusal
        sender.succeeds(function, *arguments)


def test_only_the_treasurer_issues_and_redeems_and_only_the_admin_pauses(sender: LedgerSender) -> None:
    for function, arguments in (("issue", [0, 5]), ("redeem", [0, 5]), ("pause", []), ("unpause", [])):
        assert sender.refusal(function, *arguments, key=STRANGER).startswith("AccessControlUnauthorizedAccount(")
        sender.succeeds(function, *arguments)


def test_nothing_moves_while_paused_and_everything_does_again_after(sender: LedgerSender) -> None:
    sender.succeeds("pause")
    moves = [("settle", [raw_batch(1, [])]), ("registerMembers", [MEMBERS, []]), ("issue", [0, 1]), ("redeem", [0, 1])]
    for function, arguments in moves:
        assert sender.refusal(function, *arguments) == "EnforcedPause()"
    assert sender.refusal("pause") == "EnforcedPause()"
    sender.succeeds("unpause")
    for function, arguments in moves:
        sender.succeeds(function, *arguments)


def test_a_member_is_registered_once_and_at_the_next_lane(sender: LedgerSender) -> None:
    known, new = member_address(0), member_address(99)
    assert sender.refusal("registerMembers", MEMBERS, [new, new]) == f"AlreadyRegistered(account={new.lower()})"
    assert sender.refusal("registerMembers", MEMBERS, [known]) == f"AlreadyRegistered(account={known.lower()})"
    gap = f"RegistrationGap(expectedLane={MEMBERS}, givenLane={MEMBERS + 1})"
    assert sender.refusal("registerMembers", MEMBERS + 1, [new]) == gap
    sender.succeeds("registerMembers", MEMBERS, [new])
    assert sender.contract.functions.memberCount().call() == MEMBERS + 1


def test_a_members_balance_moves_from_one_wallet_to_another_and_to_none(sender: LedgerSender) -> None:
    first, second, stranger = member_address(1), member_address(60), member_address(61)
    nobody = "0x" + "00" * 20
    sender.succeeds("issue", 1, 5)
    receipt = sender.succeeds("moveAccount", 1, first, second)
    assert sender.events("AccountMoved", receipt) == [{"lane": 1, "from": first, "to": second}]
    assert (sender.read("balanceOf", first), sender.read("balanceOf", second)) == (0, 5)
    assert [sender.read("lanePlusOneOf", each) for each in (first, second)] == [0, 2]
    assert sender.refusal("moveAccount", 1, first, stranger) == f"NotTheMembers(account={first.lower()})"
    assert sender.refusal("moveAccount", 2, second, stranger) == f"NotTheMembers(account={second.lower()})"
    assert sender.refusal("moveAccount", 2, nobody, second) == f"AlreadyRegistered(account={second.lower()})"
    assert sender.refusal("moveAccount", MEMBERS, nobody, stranger) == f"UnknownMember(lane={MEMBERS})"
    refusal = sender.refusal("moveAccount", 1, second, stranger, key=STRANGER)
    assert refusal.startswith("AccessControlUnauthorizedAccount(")
    sender.succeeds("moveAccount", 1, second, first)  # back to the one that was given up
    sender.succeeds("moveAccount", 1, first, nobody)
    assert sender.read("lanePlusOneOf", first) == 0
    sender.succeeds("pause")
    assert sender.refusal("moveAccount", 1, nobody, first) == "EnforcedPause()"


def test_the_last_lane_is_taken_and_one_more_is_refused(sender: LedgerSender) -> None:
    # Five million members cannot be registered in a test: the stored count is put there instead.
    last = 5 * 2**20 - 1
    counted = sender.slot_of(MEMBERS, range(1 << 20, (1 << 20) + 20))
    with_all_but_one = (counted, sender.stored(counted) - MEMBERS + last, "registerMembers", last)
    assert sender.reason_after(*with_all_but_one, [member_address(99)]) == ""
    assert sender.reason_after(*with_all_but_one, [member_address(98), member_address(99)]) == "LedgerFull()"


def test_what_is_issued_can_be_redeemed_but_not_more_than_the_balance(sender: LedgerSender) -> None:
    sender.succeeds("issue", 1, 3 * EURO)
    sender.succeeds("redeem", 1, 2 * EURO)
    assert sender.refusal("redeem", 1, EURO + 1) == (f"InsufficientBalance(lane=1, balance={EURO}, amount={EURO + 1})")
    assert sender.contract.functions.treasury().call() == -EURO
    assert sender.contract.functions.totalSupply().call() == EURO


def test_a_member_deep_in_debt_does_not_stop_the_batch(sender: LedgerSender) -> None:
    sender.succeeds("settle", raw_batch(1, lanes(-100_000 * EURO, 100_000 * EURO)))
    sender.succeeds("settle", raw_batch(2, lanes(-40_000 * EURO, 0, 40_000 * EURO)))
    assert sender.contract.functions.balanceOfLane(0).call() == -140_000 * EURO


def test_a_wallet_reads_a_token_that_it_cannot_transfer(sender: LedgerSender) -> None:
    read = sender.contract.functions
    sender.succeeds("settle", raw_batch(1, lanes(-5 * EURO, 5 * EURO)))
    assert (read.name().call(), read.symbol().call(), read.decimals().call()) == (
        "Commonwatt energy credit",
        "cwEUR",
        9,
    )
    assert read.balanceOf(member_address(1)).call() == 5 * EURO
    assert read.balanceOf(member_address(0)).call() == 0  # owes
    assert read.balanceOf(STRANGER.address).call() == 0
    assert read.allowance(member_address(1), STRANGER.address).call() == 0
    assert sender.refusal("transfer", STRANGER.address, 1) == "NotTransferable()"
    assert sender.refusal("transferFrom", member_address(1), STRANGER.address, 1) == "NotTransferable()"
    assert sender.refusal("approve", STRANGER.address, 1) == "NotTransferable()"


def test_roles_pass_to_another_key_and_are_withdrawn(sender: LedgerSender) -> None:
    role = sender.contract.functions.SETTLER_ROLE().call()
    assert sender.refusal("grantRole", role, STRANGER.address, key=STRANGER).startswith("AccessControlUnauthorized")
    sender.succeeds("grantRole", role, STRANGER.address)
    sender.succeeds("settle", raw_batch(1, [], system=NO_FEES), key=STRANGER)
    sender.succeeds("revokeRole", role, OPERATOR.address)
    assert sender.refusal("settle", raw_batch(2, [])).startswith("AccessControlUnauthorizedAccount(")


def test_the_settler_may_not_issue_when_another_key_is_treasurer(sender: LedgerSender) -> None:
    role = sender.contract.functions.TREASURER_ROLE().call()
    sender.succeeds("grantRole", role, STRANGER.address)
    sender.succeeds("renounceRole", role, OPERATOR.address)
    assert sender.refusal("issue", 0, 1).startswith("AccessControlUnauthorizedAccount(")
    sender.succeeds("issue", 0, 1, key=STRANGER)


@pytest.mark.parametrize("lane", [0, 4, 5, MEMBERS - 1])
def test_issuing_touches_one_lane_only(sender: LedgerSender, lane: int) -> None:
    sender.succeeds("settle", raw_batch(1, lanes(*[1, -1] * (MEMBERS // 2))))
    before = [sender.contract.functions.balanceOfLane(each).call() for each in range(MEMBERS)]
    sender.succeeds("issue", lane, EURO)
    after = [sender.contract.functions.balanceOfLane(each).call() for each in range(MEMBERS)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [
        EURO if each == lane else 0 for each in range(MEMBERS)
    ]
