"""Calls of the ledger contract without the checks that the Python side makes first."""

from typing import Any

from chain_community import OPERATOR
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3.exceptions import ContractLogicError
from web3.types import TxReceipt

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import artifact, explain

ZERO_HASH = bytes(32)
NO_FEES = (0,) * 7


def raw_batch(sequence: int, words: list[int], **changes: Any) -> tuple[Any, ...]:
    fields = {"first_start_s": 1, "end_s": 2, "first_word": 0, "system": NO_FEES} | changes
    period = (fields["first_start_s"], fields["end_s"], fields["first_word"])
    return (sequence, *period, words, fields["system"], ZERO_HASH, ZERO_HASH, ZERO_HASH)


class LedgerSender:
    """Signs with any key and mines, whatever comes of it."""

    def __init__(self, chain: EmbeddedChain, address: str) -> None:
        self.w3 = connect(chain)
        self.contract = self.w3.eth.contract(address=self.w3.to_checksum_address(address), abi=artifact()["abi"])

    def send(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> TxReceipt:
        fields = {
            "type": 2,
            "chainId": self.w3.eth.chain_id,
            "nonce": self.w3.eth.get_transaction_count(key.address),
            "to": self.contract.address,
            "gas": 20_000_000,
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            "value": 0,
            "data": self.contract.encode_abi(function, args=list(arguments)),
        }
        signed = key.sign_transaction(fields)
        return self.w3.eth.get_transaction_receipt(self.w3.eth.send_raw_transaction(HexBytes(signed.raw_transaction)))

    def succeeds(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> TxReceipt:
        receipt = self.send(function, *arguments, key=key)
        assert receipt["status"] == 1
        return receipt

    def refusal(self, function: str, *arguments: Any, key: LocalAccount = OPERATOR) -> str:
        """The reason the contract gives, after checking that a mined transaction really fails and changes nothing."""
        state = self.state()
        assert self.send(function, *arguments, key=key)["status"] == 0
        assert self.state() == state
        try:
            self.contract.functions[function](*arguments).call({"from": key.address})
        except ContractLogicError as error:
            return str(explain(error))
        raise AssertionError(f"{function} was not refused")

    def state(self) -> tuple[Any, ...]:
        read = self.contract.functions
        words = -(-read.memberCount().call() // 5)
        return (
            read.lastSequence().call(),
            read.memberCount().call(),
            read.paused().call(),
            tuple(read.balanceWords(0, words).call()),
            tuple(read.systemBalances().call()),
        )
