"""Calls of any contract without the checks that a Python side makes first."""

from collections.abc import Iterable
from typing import Any, Self
from unittest.mock import patch

from chain_community import OPERATOR
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError
from web3.logs import DISCARD
from web3.types import TxReceipt

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.published import artifact, explain


class ContractSender:
    """Signs with any key and mines, whatever comes of it."""

    def __init__(self, chain: EmbeddedChain, name: str, address: str) -> None:
        self.chain = chain
        self.name = name
        self.w3 = connect(chain)
        self.contract = self.w3.eth.contract(address=self.w3.to_checksum_address(address), abi=artifact(name)["abi"])

    @classmethod
    def deploy(cls, chain: EmbeddedChain, name: str, *arguments: Any) -> Self:
        w3 = connect(chain)
        factory = w3.eth.contract(abi=artifact(name)["abi"], bytecode=artifact(name)["bytecode"])
        receipt = _sent(w3, OPERATOR, None, factory.constructor(*arguments).data_in_transaction)
        assert receipt["status"] == 1
        assert receipt["contractAddress"] is not None
        return cls(chain, name, receipt["contractAddress"])

    def send(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> TxReceipt:
        return _sent(self.w3, key, self.contract.address, self.contract.encode_abi(function, args=list(arguments)))

    def succeeds(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> TxReceipt:
        receipt = self.send(function, *arguments, key=key)
        assert receipt["status"] == 1, self.reason(function, *arguments, key=key)
        return receipt

    def refusal(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> str:
        """The reason the contract gives, after checking that a mined transaction really fails."""
        state = self.state()
        assert self.send(function, *arguments, key=key)["status"] == 0
        assert self.state() == state
        return self.reason(function, *arguments, key=key)

    def reason(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> str:
        """Why the call would be refused now; empty if it would not be."""
        return self.reason_of(self.contract.functions[function](*arguments), key=key)

    def reason_of(self, call: ContractFunction, *, key: LocalAccount = OPERATOR) -> str:
        """The same for a function that the name alone does not tell."""
        try:
            call.call({"from": key.address})
        except ContractLogicError as error:
            return str(explain(error, self.name))
        return ""

    def reason_after(self, slot: int, value: int, function: str, *arguments: Any) -> str:
        """The reason if a storage slot held `value`, for what no test has the time to bring about."""
        vm_class = type(self.chain.evm._chain.get_vm(self.chain.evm.head))
        build_state = vm_class.build_state

        def changed(*parts: Any) -> Any:
            state = build_state(*parts)
            state.set_storage(self._octets(), slot, value)
            return state

        with patch.object(vm_class, "build_state", staticmethod(changed)):
            return self.reason(function, *arguments)

    def slot_of(self, value: int, slots: Iterable[int]) -> int:
        """The one of these storage slots whose lowest four bytes hold `value`."""
        (found,) = (slot for slot in slots if self.stored(slot) % 2**32 == value % 2**32)
        return found

    def stored(self, slot: int) -> int:
        return self.chain.evm.storage(self._octets(), slot)

    def _octets(self) -> bytes:
        return bytes.fromhex(self.contract.address[2:])

    def reason_of_deployment(self, *arguments: Any) -> str:
        """Why another contract of this kind could not be deployed with these arguments; empty if it could."""
        factory = self.w3.eth.contract(abi=artifact(self.name)["abi"], bytecode=artifact(self.name)["bytecode"])
        try:
            self.w3.eth.call({"from": OPERATOR.address, "data": factory.constructor(*arguments).data_in_transaction})
        except ContractLogicError as error:
            return str(explain(error, self.name))
        return ""

    def read(self, function: str, *arguments: Any) -> Any:
        return self.contract.functions[function](*arguments).call()

    def events(self, name: str, receipt: TxReceipt) -> list[dict[str, Any]]:
        """The arguments of the events of that name in a transaction."""
        found = self.contract.events[name]().process_receipt(receipt, errors=DISCARD)
        return [dict(event["args"]) for event in found]

    def state(self) -> object:
        """What a refused transaction must leave as it was: the contract's whole storage."""
        accounts = self.chain.evm._state(None)._account_db
        return accounts._get_storage_root(self._octets())


def _sent(w3: Web3, key: LocalAccount, receiver: str | None, data: Any) -> TxReceipt:
    fields = {
        "type": 2,
        "chainId": w3.eth.chain_id,
        "nonce": w3.eth.get_transaction_count(key.address),
        "gas": 20_000_000,
        "maxFeePerGas": 0,
        "maxPriorityFeePerGas": 0,
        "value": 0,
        "data": data,
    }
    if receiver is not None:
        fields["to"] = receiver
    signed = key.sign_transaction(fields)
    return w3.eth.get_transaction_receipt(w3.eth.send_raw_transaction(HexBytes(signed.raw_transaction)))
