"""Merkle trees over keccak-256 whose proofs cannot be stretched, shortened or moved.

The tree is RFC 6962's: leaves in order, and in every level a node without a neighbour goes up unchanged, so that no
leaf is ever doubled. Leaves, inner nodes and roots are hashed with different first bytes, so that none can pass for
another (RFC 6962, section 2.1, on second preimages); the root also binds the number of leaves and so the length of
proofs.
"""

from collections.abc import Sequence

from meters.signing import keccak

_LEAF, _INNER, _ROOT = b"\x00", b"\x01", b"\x02"


def leaf_hash(content: bytes) -> bytes:
    """Hash of one leaf."""
    return keccak(_LEAF + content)


def _inner_hash(left: bytes, right: bytes) -> bytes:
    return keccak(_INNER + left + right)


def _root_hash(top: bytes, count: int) -> bytes:
    return keccak(_ROOT + count.to_bytes(8, "big") + top)


class MerkleTree:
    """The tree over leaf hashes (from `leaf_hash`) in the given order; it may be empty."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self.count = len(leaf_hashes)
        self._levels = [list(leaf_hashes)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            level = [_inner_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            if len(below) % 2:
                level.append(below[-1])
            self._levels.append(level)

    @property
    def root(self) -> bytes:
        top = self._levels[-1][0] if self.count else b""
        return _root_hash(top, self.count)

    def path(self, index: int) -> tuple[bytes, ...]:
        """Neighbours of the leaf at `index` (0 <= index < count) on its way to the root, from below."""
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} of {self.count}")
        path = []
        for level in self._levels[:-1]:
            neighbour = index ^ 1
            if neighbour < len(level):
                path.append(level[neighbour])
            index //= 2
        return tuple(path)


def root_from_path(leaf: bytes, *, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that `path` proves for the leaf hash at `index` of `count`; None where it has the wrong length."""
    if not 0 <= index < count:
        return None
    node, width, rest = leaf, count, list(path)
    while width > 1:
        if index ^ 1 < width:
            if not rest:
                return None
            neighbour = rest.pop(0)
            node = _inner_hash(neighbour, node) if index % 2 else _inner_hash(node, neighbour)
        index //= 2
        width = (width + 1) // 2
    return None if rest else _root_hash(node, count)
