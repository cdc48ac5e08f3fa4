"""The committed contract is what the committed source compiles to."""

import json

import pytest

from contracts.compile.__main__ import ARTIFACTS, HERE, compiled_artifacts

LOCK = json.loads((HERE / "package-lock.json").read_text())


@pytest.mark.needs("node", "contracts/compile/node_modules")
def test_the_artefacts_are_what_the_pinned_compiler_makes_of_the_sources() -> None:
    compiled = compiled_artifacts()
    assert compiled.keys() == {path.stem for path in ARTIFACTS.glob("*.json")}
    for name, text in compiled.items():
        assert (ARTIFACTS / f"{name}.json").read_text() == text


def test_the_compiler_of_each_artefact_is_the_pinned_one() -> None:
    pinned = LOCK["packages"]["node_modules/solc"]["version"]
    for path in ARTIFACTS.glob("*.json"):
        assert json.loads(path.read_text())["solc"].startswith(f"{pinned}+commit.")
