"""The description of the API is true, whole, and one that other programs can read."""

import re
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.routing import Rule

from app.access import Access, rule_of

METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
OWN_FORMS = {"text/csv", "application/pdf", "application/atom+xml"}


@pytest.fixture
def document(web_app: Flask) -> dict[str, Any]:
    answer = web_app.test_client().get("/api/v1/openapi.json").json
    assert isinstance(answer, dict)
    return answer


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def _described(rule: Rule) -> str:
    return re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule)


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_of_the_api_is_in_it(web_app: Flask, document: dict[str, Any]) -> None:
    served = {
        f"{method} {_described(rule)}"
        for rule in web_app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    assert served - set(_operations(document)) == {"GET /api/v1/openapi.json", "GET /api/v1/docs"}


def test_every_operation_says_what_it_does_in_a_sentence(document: dict[str, Any]) -> None:
    for name, operation in _operations(document).items():
        assert operation["summary"].endswith("."), name
        assert len(operation["summary"]) < 120, name
    tags = [tag["name"] for tag in document["tags"]]
    assert len(tags) == len(set(tags))
    assert {tag for operation in _operations(document).values() for tag in operation["tags"]} <= set(tags)
    assert all(tag["description"] for tag in document["tags"])


def test_every_refusal_is_a_problem_document(document: dict[str, Any]) -> None:
    for name, operation in _operations(document).items():
        refusals = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {"400", "429", "500"} <= set(refusals), name
        assert all(answer["content"] == PROBLEM and answer["description"] for answer in refusals.values()), name
        if "requestBody" in operation:
            assert operation["requestBody"]["required"] is True, name
            assert {"413", "415", "422"} <= set(refusals), name


def test_every_operation_says_who_may_call_it(web_app: Flask, document: dict[str, Any]) -> None:
    operations = _operations(document)
    for rule in web_app.url_map.iter_rules():
        path = _described(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = operations.get(f"{method} {path}")
            if operation is None:
                continue
            schemes = [scheme for each in operation["security"] for scheme in each]
            declared = rule_of(web_app, rule.endpoint)
            if declared in {Access.PUBLIC, Access.SIGNATURE}:
                assert schemes == [], path
                continue
            assert schemes == (["gateway"] if declared is Access.GATEWAY else ["bearer", "session"]), path
            assert {"401", "403"} <= set(operation["responses"]), path


def test_every_parameter_request_and_answer_has_an_example_of_its_own_schema(document: dict[str, Any]) -> None:
    for name, operation in _operations(document).items():
        for parameter in operation["parameters"]:
            _holds(parameter["schema"], parameter["example"], document, f"{name} {parameter['name']}")
        answers = [answer for status, answer in operation["responses"].items() if int(status) < 300 and status != "204"]
        for body in (operation.get("requestBody"), *answers):
            if body is None:
                continue
            (kind, content), *others = body["content"].items()
            assert not others, name
            if kind in OWN_FORMS:
                continue
            assert kind == "application/json", name
            _holds(content["schema"], content["example"], document, name)


def _holds(schema: dict[str, Any], example: object, document: dict[str, Any], place: str) -> None:
    whole = {**schema, "components": document["components"]}
    assert [f"{place}: {error.message}" for error in Draft202012Validator(whole).iter_errors(example)] == []


def test_every_bound_of_a_number_is_in_the_words_of_json_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    fields = [field for schema in schemas.values() for field in schema.get("properties", {}).values()]
    assert not any(
        {"ge", "le", "gt", "lt"} & set(inner) for field in fields for inner in (field, *field.get("anyOf", ()))
    )
    assert schemas["OrderRequest"]["properties"]["start_s"]["minimum"] == 0
