"""Twelve kinds of alteration, drawn at random: none holds, and a statement as it was written always does."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import settings
from statement_alterations import KINDS, altered_by, same
from statement_cases import MEMBERS, ProvenCommunity, answering_once

from contracts.statement import load_statement
from contracts.verify import Rpc, verify_statement

CASES = settings.default.max_examples


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProvenCommunity]:
    community = ProvenCommunity(tmp_path_factory.mktemp("altered"))
    yield community
    community.close()


@pytest.fixture(scope="module")
def rpc(proven: ProvenCommunity) -> Rpc:
    return answering_once(proven.rpc)


@pytest.fixture(scope="module")
def documents(proven: ProvenCommunity) -> list[dict]:
    return [load_statement(json.dumps(proven.statement(member))) for member in MEMBERS]


def test_there_are_twelve_kinds() -> None:
    assert len({kind.__name__ for kind in KINDS}) == 12


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_alteration_holds(kind, documents, rpc) -> None:
    unnoticed = []
    for seed in range(CASES):
        changed = altered_by(kind, documents, seed)
        proofs = verify_statement(changed, rpc)
        if all(proof.holds for proof in proofs):
            unnoticed.append(seed)
    assert unnoticed == []


def test_altering_leaves_the_original_alone_and_what_was_written_holds(documents, rpc, proven) -> None:
    before = json.dumps(documents)
    for kind in KINDS:
        altered_by(kind, documents, 0)
    assert json.dumps(documents) == before
    for document in documents:
        assert all(proof.holds for proof in verify_statement(document, rpc, checkpoint=proven.checkpoint()))


def test_one_and_true_and_one_point_zero_are_three_values() -> None:
    assert not same({"a": [1]}, {"a": [True]})
    assert not same({"a": [1]}, {"a": [1.0]})
    assert same({"a": [1], "b": ""}, {"b": "", "a": [1]})
