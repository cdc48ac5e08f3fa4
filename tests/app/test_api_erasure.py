"""Operators erase a member's proofs through the API: nobody else does, and never by a slip."""

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.audit import entries
from app.errors import InputError
from app.platform import EXTENSION
from app.statement_proof import proof_document
from app.storage.database import reading
from app.storage.store.proofs import load_part
from tests.app.neighbourhood import token_for
from tests.app.test_privacy_on_chain import JUNE


def erase(app: Flask, of: str, *, by: str, **values: object) -> tuple[int, dict]:
    found = app.extensions[EXTENSION]
    headers = token_for(found.engine, by, now_s=found.now_s())
    answer = app.test_client().post(f"/api/v1/members/{of}/erasure", json=values, headers=headers)
    return answer.status_code, answer.json


@pytest.fixture
def own_engine(own_street: Flask) -> Engine:
    return own_street.extensions[EXTENSION].engine


def salt_of(engine: Engine, member: str) -> bytes:
    with reading(engine) as connection:
        part = load_part(connection, 1, member)
    assert part is not None
    return part.salt


def test_an_operator_erases_and_the_audit_log_names_both(own_street: Flask, own_engine: Engine) -> None:
    assert erase(own_street, "M02", by="OP", member="M02", month="2016-05") == (200, {"batches": [], "kept": 1})
    assert erase(own_street, "M02", by="OP", member="M02") == (200, {"batches": [1], "kept": 0})
    assert erase(own_street, "M02", by="OP", member="M02") == (200, {"batches": [], "kept": 0})
    assert salt_of(own_engine, "M02") == b""
    assert len(salt_of(own_engine, "M01")) == 32
    with reading(own_engine) as connection:
        told = [each for each in entries(connection) if each.action == "proofs erased"]
        with pytest.raises(InputError, match="erased at the member's request"):
            proof_document(connection, "M02", JUNE)
    assert [(each.actor, each.subject, each.detail) for each in told] == [
        ("OP", "M02", "no batch"),
        ("OP", "M02", "batches 1 to 1"),
        ("OP", "M02", "no batch"),
    ]


@pytest.mark.parametrize(
    ("by", "member", "values", "status"),
    [
        ("M02", "M02", {"member": "M02"}, 403),
        ("M01", "M02", {"member": "M02"}, 403),
        ("OP", "M02", {"member": "M01"}, 409),
        ("OP", "M02", {}, 422),
        ("OP", "nobody", {"member": "nobody"}, 404),
        ("OP", "M02", {"member": "M02", "month": "2016-13"}, 422),
        ("OP", "M02", {"member": "M02", "until": "2016-06"}, 422),
    ],
)
def test_what_is_not_meant_so_erases_nothing(
    own_street: Flask, own_engine: Engine, by: str, member: str, values: dict[str, str], status: int
) -> None:
    found, problem = erase(own_street, member, by=by, **values)
    assert found == status, problem
    assert len(salt_of(own_engine, "M02")) == 32
    with reading(own_engine) as connection:
        assert [each for each in entries(connection) if each.action == "proofs erased"] == []


def test_without_a_sign_in_nothing_is_erased(own_street: Flask, own_engine: Engine) -> None:
    answer = own_street.test_client().post("/api/v1/members/M02/erasure", json={"member": "M02"})
    assert answer.status_code == 401
    assert len(salt_of(own_engine, "M02")) == 32
