"""Calls of the ledger contract without the checks that the Python side makes first."""

from typing import Any

from contract_sender import ContractSender

from contracts.embedded import EmbeddedChain
from contracts.ledger import CONTRACT

ZERO_HASH = bytes(32)
NO_FEES = (0,) * 7


def raw_batch(sequence: int, words: list[int], **changes: Any) -> tuple[Any, ...]:
    fields = {"first_start_s": 1, "end_s": 2, "first_word": 0, "system": NO_FEES} | changes
    period = (fields["first_start_s"], fields["end_s"], fields["first_word"])
    return (sequence, *period, words, fields["system"], ZERO_HASH, ZERO_HASH, ZERO_HASH)


class LedgerSender(ContractSender):
    """A sender to the settlement ledger at `address`."""

    def __init__(self, chain: EmbeddedChain, address: str) -> None:
        super().__init__(chain, CONTRACT, address)
