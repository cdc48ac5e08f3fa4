"""Proofs prove exactly one leaf in one place of one tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.merkle import MerkleTree, leaf_hash, root_from_path
from meters.signing import keccak

LEAVES = [leaf_hash(bytes([i])) for i in range(23)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 11, 16, 23])
def test_every_leaf_of_every_tree_is_proved(count: int) -> None:
    tree = MerkleTree(LEAVES[:count])
    for index in range(count):
        proved = root_from_path(LEAVES[index], index=index, count=count, path=tree.path(index))
        assert proved == tree.root


@given(st.integers(2, 23), st.data())
def test_a_proof_holds_for_no_other_leaf_place_count_or_path(count: int, data: st.DataObject) -> None:
    tree = MerkleTree(LEAVES[:count])
    index = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count + 1).filter(lambda i: i != index))
    path = list(tree.path(index))
    assert root_from_path(leaf_hash(b"other"), index=index, count=count, path=path) != tree.root
    assert root_from_path(LEAVES[index], index=other, count=count, path=path) != tree.root
    assert root_from_path(LEAVES[index], index=index, count=count + 1, path=path) != tree.root
    assert root_from_path(LEAVES[index], index=index, count=count, path=[*path, LEAVES[0]]) is None
    assert root_from_path(LEAVES[index], index=index, count=count, path=path[:-1]) is None
    flipped = [*path[:-1], bytes([path[-1][0] ^ 1, *path[-1][1:]])]
    assert root_from_path(LEAVES[index], index=index, count=count, path=flipped) != tree.root


def test_a_doubled_last_leaf_makes_another_root() -> None:
    # The flaw of trees that pair an odd node with itself (CVE-2012-2459).
    assert MerkleTree(LEAVES[:3]).root != MerkleTree([*LEAVES[:3], LEAVES[2]]).root


def test_an_inner_node_cannot_pass_for_a_leaf() -> None:
    pair = MerkleTree(LEAVES[:2])
    inner = keccak(b"\x01" + LEAVES[0] + LEAVES[1])
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != inner
    assert MerkleTree([inner]).root != pair.root
    assert root_from_path(inner, index=0, count=1, path=()) != pair.root


def test_a_root_cannot_pass_for_a_leaf_or_for_a_smaller_tree() -> None:
    four = MerkleTree(LEAVES[:4])
    halves = [keccak(b"\x01" + LEAVES[0] + LEAVES[1]), keccak(b"\x01" + LEAVES[2] + LEAVES[3])]
    assert MerkleTree(halves).root != four.root


def test_order_matters_and_an_empty_tree_has_a_root_of_its_own() -> None:
    assert MerkleTree(LEAVES[:2]).root != MerkleTree(LEAVES[1::-1]).root
    assert MerkleTree([]).root not in {MerkleTree(LEAVES[:1]).root, b"\x00" * 32}


def test_a_leaf_outside_the_tree_has_no_path() -> None:
    with pytest.raises(IndexError, match="leaf 3 of 3"):
        MerkleTree(LEAVES[:3]).path(3)


def test_the_root_of_three_leaves_is_what_the_definition_says() -> None:
    a, b, c = (keccak(b"\x00" + bytes([i])) for i in range(3))
    top = keccak(b"\x01" + keccak(b"\x01" + a + b) + c)
    assert MerkleTree([a, b, c]).root == keccak(b"\x02" + (3).to_bytes(8, "big") + top)
