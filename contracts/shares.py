"""Dividing an integer by integer weights without losing a unit: largest remainder, then keyed hash."""

from collections.abc import Sequence
from hashlib import blake2b


def tie_rank(seed: str, key: str) -> bytes:
    """Position of `key` among equals: fixed by the seed, not by order of arrival or by name."""
    return blake2b(key.encode(), key=seed.encode()[:64], digest_size=16).digest()


def share_out(total: int, weights: Sequence[int], keys: Sequence[str], *, seed: str) -> list[int]:
    """Shares of `total` >= 0 in proportion to `weights` >= 0, in their order; they add up to `total`.

    Each share is floored and what is left goes, one unit each, to the largest remainders, equal ones in the order of
    `tie_rank` of their (distinct) keys. With total <= sum of the weights no share exceeds its weight.
    Raises ValueError where there is something to share and nobody to receive it.
    """
    whole = sum(weights)
    if total == 0:
        return [0] * len(weights)
    if whole <= 0 or total < 0 or min(weights) < 0:
        raise ValueError(f"cannot share {total} by weights that add up to {whole}")
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    if left:
        ranked = sorted(
            range(len(weights)), key=lambda i: (-(total * weights[i] % whole), tie_rank(seed, keys[i]), keys[i])
        )
        for i in ranked[:left]:
            shares[i] += 1
    return shares
