"""What everybody may know: health, rounds, tariff, the documentation, and the chain for verifiers."""

import json
from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from app.access import Access, access
from app.api.schemas import INSTANT_S_MAX, HealthAnswer, IslandAnswer, RoundAnswer, RoundsAnswer, SpanQuery
from app.api.spans import checked
from app.auth_pages import limiter
from app.platform import platform
from app.problems import ProblemError
from app.storage.database import reading
from app.storage.store.community import find_community, tariff_json_at
from app.storage.store.rounds import MarketRound, find_round, rounds_between
from contracts.tariff import Tariff

CHAIN_LIMITS = "600 per minute"  # verifying a year's statements takes some 500 questions
Answers = dict[int | str, dict[str, Any]]
TARIFF: Answers = {
    200: {
        "description": "The tariff in force; rates are micro-units of currency per kWh",
        "content": {"application/json": {"schema": {"type": "object"}, "example": Tariff(version="2025-1").to_json()}},
    },
    404: {"description": "No tariff is in force yet"},
}
CHAIN: Answers = {
    200: {
        "description": "The JSON-RPC answer, or a list of them",
        "content": {
            "application/json": {
                "schema": {"type": ["object", "array"]},
                "example": {"jsonrpc": "2.0", "id": 1, "result": "0x1cbd"},
            }
        },
    },
    503: {"description": "No chain is connected"},
}

public_api = APIBlueprint("public_api", __name__, tag="Public")


@public_api.get("/health")
@access(Access.PUBLIC)
@public_api.output(HealthAnswer)
def health() -> HealthAnswer:
    """Whether the platform answers, and what time it has."""
    with reading(platform().engine) as connection:
        community = find_community(connection)
    return HealthAnswer(
        status="ok",
        community=None if community is None else community.name,
        now_s=platform().now_s(),
        simulated=community is not None and community.simulated,
    )


@public_api.get("/public/rounds")
@access(Access.PUBLIC)
@public_api.input(SpanQuery, location="query")
@public_api.output(RoundsAnswer)
def rounds(query_data: SpanQuery) -> RoundsAnswer:
    """Price, volume and state of each round."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        found = rounds_between(connection, start_s=span.start_s, end_s=span.end_s)
    return RoundsAnswer(rounds=[_round(each) for each in found])


@public_api.get("/public/rounds/<int:start_s>")
@access(Access.PUBLIC)
@public_api.output(RoundAnswer)
def one_round(start_s: int) -> RoundAnswer:
    """Price, volume and state of one round."""
    with reading(platform().engine) as connection:
        found = find_round(connection, start_s) if start_s <= INSTANT_S_MAX else None
    if found is None:
        raise ProblemError(404, "unknown-round", f"There is no round for the interval that starts at {start_s}.")
    return _round(found)


@public_api.get("/public/tariff")
@access(Access.PUBLIC)
@public_api.doc(responses=TARIFF)
def tariff() -> ResponseReturnValue:
    """The tariff in force: every fee, levy and tax on a shared kWh."""
    with reading(platform().engine) as connection:
        stored = tariff_json_at(connection, platform().now_s())
    if stored is None:
        raise ProblemError(404, "no-tariff", "No tariff is in force yet.")
    return jsonify(json.loads(stored))


@public_api.post("/public/chain")
@access(Access.PUBLIC)
@limiter.limit(CHAIN_LIMITS)
@public_api.doc(responses=CHAIN)
def chain() -> ResponseReturnValue:
    """Read the settlement chain: Ethereum JSON-RPC, only methods that change nothing."""
    dispatch = platform().chain_rpc
    if dispatch is None:
        raise ProblemError(503, "no-chain", "No chain is connected to this server.")
    return Response(json.dumps(dispatch(request.get_json(force=True))), content_type="application/json")


@public_api.get("/docs")
@access(Access.PUBLIC)
@public_api.doc(hide=True)
def docs() -> str:
    """This interface, to read."""
    app = current_app
    assert isinstance(app, APIFlask)
    return render_template("api/docs.html", spec=app.spec)


def _round(found: MarketRound) -> RoundAnswer:
    island = found.island
    return RoundAnswer(
        start_s=found.start_s,
        state=found.state,
        status=found.status,
        clearing_price_micro_per_kwh=found.clearing_price_micro_per_kwh,
        traded_wh=found.traded_wh,
        binding_count=found.binding_count,
        book_hash=found.book_hash,
        clearing_hash=found.clearing_hash,
        island=None if island is None else IslandAnswer(**{key: island[key] for key in IslandAnswer.model_fields}),
    )
