"""What APIFlask leaves out of the OpenAPI document."""

from typing import Any

from apiflask import APIFlask

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
PROBLEM_ANSWER = {
    "description": "Refused, with the reason",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
OPERATIONS = ("get", "post", "put", "patch", "delete")


def complete_spec(app: APIFlask) -> None:
    """OpenAPI 3.1 with bearer tokens, required bodies, and the form of every refusal."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_SERVERS=False,
        AUTO_OPERATION_ID=True,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
        INFO={"description": "A neighbourhood's energy market: meters, orders, rounds, bills."},
    )

    @app.spec_processor
    def complete(spec: dict[str, Any] | str) -> dict[str, Any] | str:
        assert isinstance(spec, dict)  # a text only where the document is asked for as YAML
        spec["components"].setdefault("schemas", {})["Problem"] = PROBLEM
        for operations in spec["paths"].values():
            for method, operation in operations.items():
                if method in OPERATIONS:
                    _complete(operation)
        return spec


def _complete(operation: dict[str, Any]) -> None:
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    operation["responses"]["default"] = PROBLEM_ANSWER
