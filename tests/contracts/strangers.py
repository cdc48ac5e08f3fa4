"""The script for strangers, loaded as it is, and asked for its verdict."""

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from contracts.verify import ChainAnswerError, Rpc

SCRIPT = Path(__file__).parents[2] / "contracts/standalone/verify_statement.py"


@cache
def script() -> ModuleType:
    spec = spec_from_file_location("verify_statement", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verdict(document: dict, rpc: Rpc, older: dict | None = None) -> str:
    """The line that does not hold, empty if all do."""
    try:
        told = list(script().verify(document, asking(rpc), older))
    except script().DoesNotHold as error:
        return str(error)
    assert told
    return ""


def asking(rpc: Rpc):
    """The same chain in the words of the script, which knows an error as no answer."""

    def ask(method: str, *params: object) -> object:
        try:
            return rpc(method, list(params))
        except ChainAnswerError:
            return None

    return ask
