"""A capped token claimed from cumulative daily roots; off until somebody turns it on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_community import OPERATOR, START_S, STRANGER, MovedClock, member_address, open_chain
from contract_sender import ContractSender
from eth_abi.abi import encode
from eth_utils.crypto import keccak

DAY_S = 86_400
TOKEN = 10**18
TODAY = START_S // DAY_S
ANNA, BEN = member_address(1), member_address(2)


def leaf(account: str, total: int) -> bytes:
    return keccak(keccak(encode(["address", "uint256"], [account, total])))


def both(totals: dict[str, int]) -> tuple[bytes, dict[str, list[bytes]]]:
    """The root over two accounts' totals, and each one's proof."""
    (one, other) = (leaf(account, total) for account, total in totals.items())
    names = list(totals)
    return keccak(b"".join(sorted((one, other)))), {names[0]: [other], names[1]: [one]}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[ContractSender]:
    chain = open_chain(tmp_path, MovedClock())
    yield ContractSender.deploy(chain, "RewardPool", OPERATOR.address, OPERATOR.address)
    chain.close()


def day_later(pool: ContractSender) -> None:
    clock = pool.chain._clock
    assert isinstance(clock, MovedClock)
    clock.seconds = pool.chain.evm.head.timestamp + DAY_S


def test_it_is_off_until_the_admin_turns_it_on(pool: ContractSender) -> None:
    assert pool.refusal("publish", TODAY - 1, b"\1" * 32, 1) == "EnforcedPause()"
    assert pool.refusal("claim", ANNA, 1, b"\1" * 32, []) == "EnforcedPause()"
    assert pool.refusal("unpause", key=STRANGER).startswith("AccessControlUnauthorizedAccount(")
    pool.succeeds("unpause")
    pool.succeeds("publish", TODAY - 1, b"\1" * 32, 1)


def test_one_claim_collects_what_was_earned_since_the_last_and_a_second_is_refused(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    root, proofs = both({ANNA: 30 * TOKEN, BEN: 70 * TOKEN})
    pool.succeeds("publish", TODAY - 1, root, 100 * TOKEN)
    pool.succeeds("claim", ANNA, 30 * TOKEN, root, proofs[ANNA], key=STRANGER)
    again = f"NothingToClaim(account={ANNA.lower()})"
    assert pool.refusal("claim", ANNA, 30 * TOKEN, root, proofs[ANNA]) == again
    day_later(pool)
    newer, newer_proofs = both({ANNA: 45 * TOKEN, BEN: 85 * TOKEN})
    pool.succeeds("publish", TODAY, newer, 130 * TOKEN)
    for account in (ANNA, BEN):
        pool.succeeds("claim", account, {ANNA: 45, BEN: 85}[account] * TOKEN, newer, newer_proofs[account])
    assert [pool.read("balanceOf", account) for account in (ANNA, BEN)] == [45 * TOKEN, 85 * TOKEN]
    assert pool.refusal("claim", BEN, 70 * TOKEN, root, proofs[BEN]) == f"UnknownRoot(given={root})"


def test_what_is_not_in_the_root_is_refused(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    assert pool.refusal("claim", ANNA, 1, b"\0" * 32, []) == f"UnknownRoot(given={bytes(32)})"
    root, proofs = both({ANNA: 30 * TOKEN, BEN: 70 * TOKEN})
    pool.succeeds("publish", TODAY - 1, root, 100 * TOKEN)
    more = f"NotInRoot(account={ANNA.lower()}, total={31 * TOKEN})"
    assert pool.refusal("claim", ANNA, 31 * TOKEN, root, proofs[ANNA]) == more
    assert pool.refusal("claim", BEN, 70 * TOKEN, root, proofs[ANNA]).startswith("NotInRoot(")


def test_nothing_above_the_cap_or_the_day_is_published(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    daily, root = 10_000 * TOKEN, b"\1" * 32
    over = f"OverDailyLimit(most={daily}, given={daily + 1})"
    assert pool.refusal("publish", TODAY - 1, root, daily + 1) == over
    pool.succeeds("publish", TODAY - 2, root, daily)
    assert pool.refusal("publish", TODAY - 1, root, daily - 1) == f"TotalFell(last={daily}, given={daily - 1})"
    assert pool.refusal("publish", TODAY - 1, root, 2 * daily + 1) == over
    pool.succeeds("publish", TODAY - 1, root, 2 * daily)


def test_the_last_token_under_the_cap_is_published_and_not_one_more(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    pool.succeeds("publish", TODAY - 2, b"\1" * 32, 7 * TOKEN)
    published = pool.slot_of(7 * TOKEN, range(30))
    cap = pool.read("CAP")
    nearly = (published, cap - 1, "publish", TODAY - 1, b"\1" * 32)
    assert pool.reason_after(*nearly, cap) == ""
    assert pool.reason_after(*nearly, cap + 1) == f"OverCap(most={cap}, given={cap + 1})"


def test_a_day_is_published_once_after_its_end_and_never_empty(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    root = b"\1" * 32
    assert pool.refusal("publish", TODAY, root, 1) == f"DayNotOver(day={TODAY})"
    assert pool.refusal("publish", TODAY - 1, bytes(32), 1) == "EmptyRoot()"
    pool.succeeds("publish", TODAY - 1, root, 1)
    again = f"DayNotNew(last={TODAY - 1}, given={TODAY - 1})"
    assert pool.refusal("publish", TODAY - 1, root, 1) == again
    assert pool.refusal("publish", TODAY, root, 1, key=STRANGER).startswith("AccessControlUnauthorizedAccount(")


def test_a_root_that_promises_more_than_was_published_does_not_pay_it(pool: ContractSender) -> None:
    pool.succeeds("unpause")
    root, proofs = both({ANNA: 30 * TOKEN, BEN: 70 * TOKEN})
    pool.succeeds("publish", TODAY - 1, root, 80 * TOKEN)
    pool.succeeds("claim", BEN, 70 * TOKEN, root, proofs[BEN])
    over = f"OverPublished(published={80 * TOKEN}, supply={100 * TOKEN})"
    assert pool.refusal("claim", ANNA, 30 * TOKEN, root, proofs[ANNA]) == over
