"""No refusal of a contract is without a test that names it."""

import re
from pathlib import Path

import pytest

SOURCES = {path.stem: path.read_text() for path in (Path(__file__).parents[2] / "contracts" / "src").glob("*.sol")}
TESTS = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
ERRORS = sorted({name for source in SOURCES.values() for name in re.findall(r"^ +error (\w+)\(", source, re.MULTILINE)})


@pytest.mark.parametrize("error", ERRORS)
def test_every_refusal_is_raised_and_named_by_a_test(error: str) -> None:
    assert any(f"revert {error}(" in source for source in SOURCES.values())
    assert re.search(rf"\b{error}\b", TESTS)


@pytest.mark.parametrize("contract", sorted(SOURCES))
def test_no_refusal_is_without_a_name(contract: str) -> None:
    assert not re.findall(r"\b(?:require|revert) *\(", SOURCES[contract])
