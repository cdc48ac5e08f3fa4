"""Examples in the OpenAPI document: one value a name, put together into whole requests and answers."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

BY_NAME: dict[str, Any] = {
    "Idempotency-Key": "5f9c0c1e-order-of-tonight",
    "accepted_wh": 640,
    "action": "order placed",
    "actor": "anna",
    "address": "0x52908400098527886E0F7030069857D2E4169EE7",
    "alone_cents": 8420,
    "amount_cents": 2570,
    "amount_nano": 137_600_000,
    "at_s": 1_750_075_200,
    "balance_nano": -25_700_000_000,
    "bank_reference": "2025-07-03/17",
    "batche": 12,
    "battery_w": 5000,
    "battery_wh": 10_000,
    "binding_count": 1,
    "book_hash": "0x6a09e667f3bcc908b2fb1366ea957d3e3adec17512775099da2f590b0667322a",
    "booked_on": "2025-07-03",
    "bought_wh": 61_300,
    "cancelled_s": None,
    "chain_id": 7357,
    "certified_wh": {"solar": 41_200},
    "clearing_hash": "0xbb67ae8584caa73b25742d7078b83b8925d834cc53da4798c720a6486e45a6e1",
    "clearing_price_micro_per_kwh": 215_000,
    "code": "one-time-code-from-the-operator",
    "commissioned": None,
    "community": "Hill Road",
    "community_certified_wh": {"solar": 912_400},
    "community_retired_wh": {"solar": 655_100},
    "complete_count": 96,
    "confirmed": 1,
    "connection_w": 25_000,
    "created_s": 1_750_075_200,
    "credit_cents": 310,
    "credit_limit_nano": 50_000_000_000,
    "csv": "booked_on,amount,currency,reference,bank_reference\n2025-07-03,25.70,EUR,HILL-1,2025-07-03/17\n",
    "cursor": None,
    "currency": "EUR",
    "curtailed_wh": 0,
    "date": "2025-06-16",
    "day": "2025-06-16",
    "days": 90,
    "days_incomplete": 1,
    "days_settled": 16,
    "detail": "The gate of this interval is closed.",
    "device": "d-anna",
    "display_name": "Anna",
    "drawn_wh": 0,
    "due_cents": 2570,
    "due_s": 1_751_500_800,
    "duration_s": 900,
    "earliest_s": 0,
    "efficiency_permille": 900,
    "element": 12,
    "email": "anna@example.org",
    "end_s": 1_750_161_600,
    "ended_count": 2880,
    "energy_wh": 8000,
    "epoch": 0,
    "expected_count": 96,
    "expires_s": 1_757_851_200,
    "export_limit_w": 4600,
    "export_mwh": 8_412_000,
    "export_wh": 0,
    "fault_count": 0,
    "feeder": "north",
    "firmness": "flexible",
    "first_start_s": 1_750_032_000,
    "flags": 0,
    "from_neighbours_wh": 61_300,
    "from_supplier_wh": 148_900,
    "gateway": "g1",
    "gateway_id": "g1",
    "generation_controllable": True,
    "generation_limit_w": None,
    "generation_w": 5000,
    "given_wh": 0,
    "guessed": 4,
    "id": "anna",
    "import_cost_cents": 7050,
    "import_limit_w": 25_000,
    "import_mwh": 5_120_345_000,
    "import_wh": 640,
    "interval_minutes": 15,
    "intervals_changed": 3,
    "invoice": "anna-2025-06",
    "invoice_id": "anna-2025-06",
    "is_dark": False,
    "island": None,
    "issued_s": 1_751_500_800,
    "item": "energy_bought",
    "kept": 1,
    "kind": "final",
    "known": 0,
    "last_seen_s": 1_750_075_140,
    "latest_s": 1_750_118_400,
    "limit_micro_per_kwh": 250_000,
    "limit_w": 4600,
    "line": 2,
    "live_count": 95,
    "loss_wh": 12,
    "market_time_unit_minutes": 15,
    "member": "anna",
    "member_id": "anna",
    "message": "accepted",
    "metering_point": "mp-17",
    "missing": 2,
    "month": "2025-06",
    "moved_nano": 137_600_000,
    "name": "Cellar",
    "next_seq": 97,
    "now_s": 1_750_075_200,
    "number": 17,
    "order_id": "order-1",
    "origin": "person",
    "own_certificates_wh": {"solar": 120_500},
    "password": "correct horse battery",  # pragma: allowlist secret
    "period": "2025-06",
    "phase": "a",
    "placed_s": 1_750_071_600,
    "plants": 7,
    "power_w": 11_000,
    "previous_hash": "0x" + "00" * 32,
    "price_micro_per_kwh": 215_000,
    "next_price_micro_per_kwh": 291_400,
    "provisional": True,
    "quality": "measured",
    "quantity_wh": 640,
    "ran_s": 1_751_500_803,
    "reading": [96, 1_750_075_200, 900, 5_120_345_000, 8_412_000, 0],
    "reason": "by hand",
    "reference": "HILL-1",
    "residual_export_wh": 12_400,
    "residual_import_wh": 98_700,
    "role": "household",
    "said": "",
    "saved_cents": 1680,
    "scopes": ["own:read", "own:trade"],
    "seq": 96,
    "settled_count": 2880,
    "shed_wh": 0,
    "side": "buy",
    "signature": "0x" + "1b" * 65,
    "simulated": False,
    "sold_wh": 20_100,
    "spilled_wh": 0,
    "start": 1_750_075_200,
    "start_s": 1_750_075_200,
    "state": "cleared",
    "status": "green",
    "stored_wh": 0,
    "timezone": "Europe/Berlin",
    "substituted_count": 0,
    "supplier_only_cents": 4250,
    "to_neighbours_wh": 87_200,
    "to_supplier_wh": 33_300,
    "token": "a-secret-that-is-shown-once",
    "token_id": "9f2c1ab07d3e5846",
    "total_cents": 2570,
    "traded_wh": 18_400,
    "text": "Energy from neighbours",
    "transfers_posted": 9,
    "trouble": "",
    "tx_hash": None,
    "unshared_export_wh": 0,
    "unshared_import_wh": 640,
    "used_s": 1_750_075_200,
    "verifying_contract": "0x52908400098527886E0F7030069857D2E4169EE7",
    "waits_for": "",
    "window_id": "car-tonight",
    "with_community_cents": 6740,
}
"""What a field, parameter or variable of that name may hold; null where a schema allows it and nothing else fits."""

PLAIN: dict[str | None, Any] = {"integer": 0, "number": 0, "string": "", "boolean": False}
"""Of names without an example of their own."""


def add_examples(spec: dict[str, Any]) -> None:
    """Put an example beside every parameter, request body and JSON answer that has none."""
    schemas: dict[str, Schema] = spec["components"]["schemas"]
    for operation in _operations(spec):
        for parameter in operation.get("parameters", ()):
            if "example" not in parameter:
                parameter["example"] = _value(parameter["name"], parameter["schema"], schemas)
        for content in _contents(operation):
            if content.get("schema") and "example" not in content:
                content["example"] = _value("", content["schema"], schemas)


def _operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in spec["paths"].values():
        yield from (value for value in path.values() if isinstance(value, dict))


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """JSON bodies of requests and of answers that are no refusals: those explain themselves."""
    answers = [answer for status, answer in operation["responses"].items() if int(status) < 400]
    for body in (operation.get("requestBody", {}), *answers):
        if "application/json" in body.get("content", {}):
            yield body["content"]["application/json"]


def _value(name: str, schema: Schema, schemas: dict[str, Schema]) -> Any:  # noqa: ANN401  any JSON
    if "$ref" in schema:
        return _value(name, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", ())), None))
    if "properties" in schema:
        return {key: _value(key, inner, schemas) for key, inner in schema["properties"].items()}
    is_array = schema.get("type") == "array"
    if name in BY_NAME and isinstance(BY_NAME[name], list) == is_array:
        return BY_NAME[name]
    if "anyOf" in schema:
        return _value(name, schema["anyOf"][0], schemas)
    # Lists are named in the plural of what is in them.
    return (
        [_value(name.removesuffix("s"), schema["items"], schemas)]
        if is_array
        else schema.get("default", PLAIN.get(schema.get("type")))
    )
