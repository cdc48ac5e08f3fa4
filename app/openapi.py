"""What APIFlask leaves out of the OpenAPI document: who may call, every refusal, required bodies, examples."""

import re
from collections.abc import Iterator
from typing import Any

from apiflask import APIFlask
from flask import Flask
from werkzeug.routing import Rule

from app.access import API_PREFIX, Access, rule_of, scope_of
from app.api.examples import add_examples
from app.api.idempotency import HEADER, KEY_PATTERN
from app.scopes import MEANING, Scope

Operation = dict[str, Any]

PROBLEM = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457). Some kinds of problems say more in further members.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "the kind of problem, for programs: urn:commonwatt:problem:KIND"},
        "title": {"type": "string", "description": "the HTTP status in words"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "a sentence that says what is wrong, for people"},
    },
}
REFUSALS = {
    400: "The request cannot be read, or what it asks for makes no sense",
    401: "There is no token and no session, or it is not known any more",
    403: "This is for others, or the request was not sent by the site's own pages",
    404: "There is no such thing, or none of yours",
    409: "It contradicts what is so by now",
    413: "The body is too large",
    415: "The body is no application/json",
    422: "A value is missing, unknown or out of its bounds",
    429: "Too many requests: come again after the seconds in Retry-After",
    500: "A fault of the platform's own",
    503: "The ledger is not connected",
}
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of a member's or an operator's own, from POST /api/v1/tokens, with the scope named: "
        + ", ".join(f"{scope} ({said[0].lower()}{said[1:]})" for scope, said in MEANING.items()),
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "commonwatt_session",
        "description": "A browser that is signed in; what changes something also sends X-CSRFToken",
    },
    "gateway": {"type": "http", "scheme": "bearer", "description": "The token that a gateway got when it enrolled"},
}
PEOPLE: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.SIGNATURE: [],
    Access.GATEWAY: [{"gateway": []}],
}
QUESTION = {
    "type": "object",
    "required": ["jsonrpc", "id", "method"],
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["integer", "string"]},
        "method": {"type": "string"},
        "params": {"type": "array"},
    },
}
BODIES = {
    "public_api.chain": {
        # What is no question is answered too, with JSON-RPC's own errors.
        "schema": {"anyOf": [QUESTION, {"type": "array", "items": QUESTION, "maxItems": 100}, {}]},
        "example": {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
    }
}
"""Of operations that read their body themselves."""
TAGS = {
    "Public": "What everybody may know, without a token",
    "Tokens": "Keys for programs of your own",
    "Your home": "A member's own figures",
    "Files": "The same for spreadsheets and other programs",
    "Orders": "A member's own orders and windows of energy",
    "Envelopes": "What the network has room for",
    "Accounts": "Balances, invoices, payments",
    "Settlement": "For operators: runs, what is missing, and members who ask to be forgotten",
    "Gateways": "For gateways, and for operators about them",
}


def complete_spec(app: APIFlask) -> None:
    """OpenAPI 3.1 in which every operation of the API says who may call it and how it may refuse."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_SERVERS=False,
        AUTO_OPERATION_ID=True,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        SECURITY_SCHEMES=SECURITY_SCHEMES,
        INFO={
            "description": "A neighbourhood's energy market: meters, orders, rounds, bills. Energies are Wh, prices "
            "micro-units of currency per kWh, money nano-units or cents of it, instants seconds since 1970 in UTC."
        },
    )

    @app.spec_processor
    def complete(spec: dict[str, Any] | str) -> dict[str, Any] | str:
        assert isinstance(spec, dict)  # a text only where the document is asked for as YAML
        spec["tags"] = [{"name": name, "description": said} for name, said in TAGS.items()]
        spec["components"].setdefault("schemas", {})["Problem"] = PROBLEM
        for rule, operation in _operations(app, spec["paths"]):
            if rule.endpoint in BODIES:
                operation["requestBody"] = {"content": {"application/json": BODIES[rule.endpoint]}}
            if getattr(app.view_functions[rule.endpoint], "takes_key", False):
                _add_key(operation)
            _complete(operation, access=rule_of(app, rule.endpoint), has_variables=bool(rule.arguments))
            if {"bearer": []} in operation["security"]:
                operation["security"] = _for_people(scope_of(app, rule.endpoint))
        add_examples(spec)
        return spec


def _for_people(scope: Scope | None) -> list[dict[str, list[str]]]:
    """A browser's session, and a token with the scope that is asked for."""
    if scope is None:
        return [{"session": []}]
    return [{"bearer": [] if scope is Scope.ANY else [str(scope)]}, {"session": []}]


def _operations(app: Flask, paths: dict[str, dict[str, Operation]]) -> Iterator[tuple[Rule, Operation]]:
    for rule in app.url_map.iter_rules():
        described = paths.get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        if rule.rule.startswith(API_PREFIX):
            for method in (rule.methods or set()) & {name.upper() for name in described}:
                yield rule, described[method.lower()]


def _add_key(operation: Operation) -> None:
    schema = {"type": "string", "pattern": KEY_PATTERN}
    said = "Makes sending again safe: for a day, the same request with the same key gets the first answer"
    operation["parameters"].append(
        {"name": HEADER, "in": "header", "required": False, "description": said, "schema": schema}
    )


def _complete(operation: Operation, *, access: Access | None, has_variables: bool) -> None:
    assert access is not None
    operation["security"] = SECURITY.get(access, PEOPLE)
    refusals = {400, 429, 500}
    if operation["security"]:
        refusals |= {401, 403}
    if has_variables:
        refusals.add(404)
    if any(each["in"] == "query" for each in operation["parameters"]) or "requestBody" in operation:
        refusals.add(422)
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        refusals |= {413, 415}
    answers = operation["responses"]
    for status in sorted(refusals):
        answers.setdefault(str(status), {"description": REFUSALS[status]})
    for status, answer in answers.items():
        if int(status) >= 400:
            answer["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] = dict(sorted(answers.items()))
