"""Balances and net positions as the ledger contract stores them: five members to a 256-bit word.

A lane has 51 bits, of which 48 hold an amount plus 2^47 and three stay free (`SettlementLedger.sol`).
"""

from collections.abc import Mapping, Sequence

LANES = 5
LANE_BITS = 51
HALF_RANGE = 1 << 47
MAX_WORDS = 4096
"""Words of one batch: 20 480 lanes from the first that is touched to the last."""
MAX_MEMBER_DELTA_NANO = HALF_RANGE - 1
"""A member's balance and each change of it lie between -140 737.488355328 and +140 737.488355327 units of currency."""
MAX_SYSTEM_DELTA_NANO = (1 << 63) - 1

_LANE_MASK = (1 << 48) - 1
_WORD = 1 << 256


def pack_deltas(deltas_nano: Mapping[int, int]) -> tuple[int, list[int]]:
    """The first word touched, and the words from there on, for signed changes by lane.

    Raises ValueError for a lane below zero, a change that no lane can hold, or lanes too far apart for one batch.
    """
    for lane, delta_nano in deltas_nano.items():
        if lane < 0:
            raise ValueError(f"lane {lane} does not exist")
        if not -HALF_RANGE <= delta_nano < HALF_RANGE:
            raise ValueError(f"lane {lane}: a change of {delta_nano} nano is more than a lane can hold")
    touched = {lane // LANES for lane, delta_nano in deltas_nano.items() if delta_nano}
    if not touched:
        return 0, []
    first = min(touched)
    count = max(touched) - first + 1
    if count > MAX_WORDS:
        raise ValueError(f"lanes {LANES * first} and {LANES * max(touched)} are too far apart for one batch")
    words = [0] * count
    for lane, delta_nano in deltas_nano.items():
        word, position = divmod(lane, LANES)
        if delta_nano:
            words[word - first] += delta_nano << (LANE_BITS * position)
    return first, [word % _WORD for word in words]


def unpack_balances(words: Sequence[int], *, members: int) -> tuple[int, ...]:
    """The balances in nano-units of the first `members` lanes of stored words."""
    return tuple(
        (words[lane // LANES] >> (LANE_BITS * (lane % LANES)) & _LANE_MASK) - HALF_RANGE for lane in range(members)
    )
