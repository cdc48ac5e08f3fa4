"""Whole numbers shared in proportion, nobody first for having come first.

Each gets the floor of its share; what is left goes one each to the largest remainders, among equal remainders to the
smallest keys: BLAKE2b-128 of the name, keyed with SHA-256 of the seed that the rules name.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from matching.book import IntArray


def shared(total: int, weights: IntArray, *, names: NDArray[np.bytes_], seed: str) -> IntArray:
    """A whole total, of energy or money, in proportion to `weights` [n] >= 0, not all zero; `names` [n] break ties."""
    largest, whole = int(weights.max()), int(weights.sum())
    exact = weights if largest * abs(total) < 2**63 else weights.astype(object)
    share = np.asarray(exact * total // whole, dtype=np.int64)
    remainder = np.asarray(exact * total % whole, dtype=np.int64)
    left = total - int(share.sum())
    if left:
        cut = int(np.sort(remainder)[-left])
        share[remainder > cut] += 1
        left -= int((remainder > cut).sum())
        tied = np.flatnonzero(remainder == cut)
        share[tied[np.argsort(keys(names[tied], seed), kind="stable")[:left]]] += 1
    return share


def keys(names: NDArray[np.bytes_], seed: str) -> NDArray[np.str_]:
    """[n] by which ties are broken, smallest first."""
    key = hashlib.sha256(seed.encode()).digest()
    return np.array(
        [hashlib.blake2b(name, key=key, digest_size=16).hexdigest() for name in names.tolist()], dtype="U32"
    )
