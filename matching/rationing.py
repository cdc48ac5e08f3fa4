"""Sharing a whole number of Wh: pro rata, then largest remainder, then a keyed hash of the order id.

Nothing here depends on who came first, and nothing overflows: a share is computed by long division, not by a product.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from matching.book import IntArray

TieKeys = Callable[[IntArray], NDArray[np.bytes_]]

_DIGIT_BITS = 7
_DIGIT_COUNT = 4  # quantities below 2**28 Wh
_TOTAL_MAX = 2**54


def keyed_tie_keys(order_ids: NDArray[np.bytes_], tie_seed: str) -> TieKeys:
    """Keys of the orders at given positions: BLAKE2b-128 of the id's bytes, keyed with SHA-256 of the seed."""
    key = hashlib.sha256(tie_seed.encode()).digest()

    def keys_of(positions: IntArray) -> NDArray[np.bytes_]:
        # Hexadecimal, because numpy drops the trailing zero bytes of a binary digest.
        ids = order_ids[positions].tolist()
        return np.array([hashlib.blake2b(name, key=key, digest_size=16).hexdigest() for name in ids], dtype=np.bytes_)

    return keys_of


def pro_rata(quantity_wh: IntArray, total_wh: int, *, positions: IntArray, tie_keys: TieKeys) -> IntArray:
    """Split `total_wh` over `quantity_wh` [n] in proportion, whole Wh, nobody above its quantity.

    Each gets the floor of its share; what is left goes one Wh each to the largest remainders, among equal ones to the
    smallest keys. `positions` [n] say which orders of the book these are.
    """
    available = int(quantity_wh.sum())
    assert 0 <= total_wh <= available <= _TOTAL_MAX
    if total_wh == available:
        return quantity_wh.copy()
    if total_wh == 0:
        return np.zeros_like(quantity_wh)
    share, remainder = _divide(quantity_wh, total_wh, available)
    left = total_wh - int(share.sum())
    assert 0 <= left < quantity_wh.size
    if left:
        cut = int(np.partition(remainder, -left)[-left])
        above, tied = remainder > cut, np.flatnonzero(remainder == cut)
        share[above] += 1
        missing = left - int(above.sum())
        if missing < tied.size:
            tied = tied[np.argsort(tie_keys(positions[tied]), kind="stable")[:missing]]
        share[tied] += 1
    assert int(share.sum()) == total_wh
    assert (share <= quantity_wh).all()
    return share


def share_out(total: int, weights: IntArray, *, positions: IntArray, tie_keys: TieKeys) -> IntArray:
    """Split any whole `total`, of money or energy, in proportion to `weights` [n] >= 0 of which one is above zero.

    Floors, largest remainders and keys as in `pro_rata`: total = each * sum(weights) + rest, and only the rest is left
    to divide. So each share lies between weight * floor and weight * ceiling of total / sum(weights).
    """
    each, rest = divmod(total, int(weights.sum()))
    return each * weights + pro_rata(weights, rest, positions=positions, tie_keys=tie_keys)


def grouped(positions: IntArray, numbers: NDArray[np.int_]) -> list[IntArray]:
    """Positions [n] by their group's number; each number from 0 to the highest is there."""
    ends = np.cumsum(np.bincount(numbers))[:-1]
    return np.split(positions[np.argsort(numbers, kind="stable")], ends) if positions.size else []


def _divide(quantity_wh: IntArray, total_wh: int, available_wh: int) -> tuple[IntArray, IntArray]:
    """Quotient and remainder of quantity * total / available, digit by digit of the quantity."""
    largest = int(quantity_wh.max())
    if largest * total_wh < 2**63:
        product = quantity_wh * total_wh
        return product // available_wh, product % available_wh
    assert largest < 2 ** (_DIGIT_BITS * _DIGIT_COUNT)
    quotient, remainder = np.zeros_like(quantity_wh), np.zeros_like(quantity_wh)
    for shift in range(_DIGIT_BITS * (_DIGIT_COUNT - 1), -1, -_DIGIT_BITS):
        digit = (quantity_wh >> shift) & ((1 << _DIGIT_BITS) - 1)
        remainder = (remainder << _DIGIT_BITS) + digit * total_wh
        quotient = (quotient << _DIGIT_BITS) + remainder // available_wh
        remainder %= available_wh
    return quotient, remainder
