"""The compiled contracts of this version, and their refusals by name."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode
from eth_utils.abi import function_signature_to_4byte_selector
from web3.exceptions import ContractCustomError, ContractLogicError


class ContractRefusedError(ValueError):
    """The contract refused; `name` is its error, `arguments` what the error carries."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.arguments = dict(arguments)
        super().__init__(f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})")


@cache
def artifact(contract: str) -> dict[str, Any]:
    """A compiled contract: abi, bytecode, solc, settings, and runtime_hash (keccak of the deployed code) if it has one.

    A contract with immutables has none: every deployment's code is another.
    """
    document: dict[str, Any] = json.loads(files("contracts").joinpath(f"artifacts/{contract}.json").read_text())
    return document


@cache
def _errors_by_selector(contract: str) -> dict[bytes, dict[str, Any]]:
    entries = {}
    for entry in artifact(contract)["abi"]:
        if entry["type"] == "error":
            types = ",".join(parameter["type"] for parameter in entry["inputs"])
            entries[function_signature_to_4byte_selector(f"{entry['name']}({types})")] = entry
    return entries


def explain(error: ContractLogicError, contract: str) -> ContractRefusedError:
    """The contract's own name and figures for a revert; Solidity's words for a panic, such as an overflow."""
    if not isinstance(error, ContractCustomError):
        return ContractRefusedError(str(error.message or "reverted without a reason"), {})
    data = bytes.fromhex(str(error.data or "0x").removeprefix("0x"))
    entry = _errors_by_selector(contract).get(data[:4])
    if entry is None:
        return ContractRefusedError(f"unknown error 0x{data[:4].hex()}", {})
    values = decode([parameter["type"] for parameter in entry["inputs"]], data[4:])
    names = [parameter["name"] for parameter in entry["inputs"]]
    return ContractRefusedError(entry["name"], dict(zip(names, values, strict=True)))
