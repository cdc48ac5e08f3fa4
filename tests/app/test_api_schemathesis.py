"""Schemathesis makes requests out of the OpenAPI document and judges every answer by it, for each role.

Reduced: a few requests of every operation. In full: more of them, and all that it derives from the bounds of each
field (its phase `coverage`).
"""

import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from sqlalchemy import Engine, select, update

from app.api.idempotency import KEY_PATTERN
from app.auth import hash_of
from app.auth_pages import limiter
from app.guess_limits import guesses
from app.platform import EXTENSION
from app.storage.database import writing
from app.storage.store.devices import GATEWAYS
from app.storage.store.members import Participant, add_participant
from tests.app.community_day import NOW
from tests.app.neighbourhood import token_for
from tests.conftest import FULL

EXAMPLES = 50 if FULL else 3
WITHOUT_FAULT = ["2xx", "401", "403", "404", "409"]
# A schema does not say that a span ends after it begins, nor that it has at most two months.
ACCEPTED = [*WITHOUT_FAULT, "400"]
# ... nor what is written inside a file, nor that a report is not of the future.
ALSO_UNPROCESSABLE = (
    "POST /api/v1/treasury/bank-statements",
    "POST /api/v1/gateway/health",
    "POST /api/v1/gateway/batteries",
)
ROLES = ("member", "operator", "treasurer", "gateway", "nobody")


def _config(headers: dict[str, str]) -> SchemathesisConfig:
    own = [
        {
            "include-name": name,
            "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "422"]}},
        }
        for name in ALSO_UNPROCESSABLE
    ]
    # It would sign itself out; tests of access look at it.
    own.append({"include-name": "DELETE /api/v1/tokens/current", "enabled": False})
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": headers,
            "generation": {"max-examples": EXAMPLES, "allow-x00": False, "no-shrink": True, "database": "none"},
            "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": FULL}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ACCEPTED},
                # Its request without a token fails in process; tests of access ask every address without one.
                "ignored_auth": {"enabled": False},
            },
            "operations": own,
        }
    )


def _headers(role: str, engine: Engine) -> dict[str, str]:
    now_s = int(NOW.timestamp())
    match role:
        case "member":
            return token_for(engine, "M01", now_s=now_s)
        case "operator":
            return token_for(engine, "OP", now_s=now_s)
        case "treasurer":
            with writing(engine) as connection:
                add_participant(connection, Participant(id="TR", display_name="Tina", email=None, role="treasurer"))
            return token_for(engine, "TR", now_s=now_s)
        case "gateway":
            with writing(engine) as connection:
                gateway = connection.execute(select(GATEWAYS.c.id)).scalars().first()
                connection.execute(
                    update(GATEWAYS).where(GATEWAYS.c.id == gateway).values(token_hash=hash_of("of the gateway"))
                )
            return {"Authorization": "Bearer of the gateway"}
        case _:
            return {}


def _take_a_new_key(_: object, case: schemathesis.Case, __: object) -> None:
    # A key stands for one request; what is generated, and the example, come again with others.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(KEY_PATTERN, key):
        case.headers["Idempotency-Key"] = token_hex(16)


def _faults(event: events.EngineEvent) -> Iterator[str]:
    if isinstance(event, events.NonFatalError):
        yield f"{event.label}: {event.value}"
    if not isinstance(event, events.ScenarioFinished):
        return
    for case, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                answer: Any = event.recorder.interactions[case].response
                said = None if answer is None else f"{answer.status_code} {answer.content[:300]!r}"
                failure = check.failure_info.failure
                yield (
                    f"{event.recorder.label}: {failure.title}: {failure.message}\n{said}\n"
                    + (check.failure_info.code_sample[:1000])
                )


@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_one_that_the_document_announces(own_street: Flask, role: str) -> None:
    limiter.enabled = guesses.enabled = False
    try:
        headers = _headers(role, own_street.extensions[EXTENSION].engine)
        schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", own_street, config=_config(headers))
        schemathesis.hook("before_call")(_take_a_new_key)
        happened = list(from_schema(schema).execute())
    finally:
        limiter.enabled = guesses.enabled = True
    asked = {event.recorder.label for event in happened if isinstance(event, events.ScenarioFinished)}
    document = own_street.test_client().get("/api/v1/openapi.json").json
    assert document is not None
    assert len(asked) >= sum(len(operations) for operations in document["paths"].values()) - 1
    assert [fault for event in happened for fault in _faults(event)] == []
