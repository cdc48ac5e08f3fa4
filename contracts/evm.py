"""An Ethereum chain in memory: py-evm with one block for each transaction, zero fees and a fixed gas limit.

Nothing here touches a disk or a clock, so the same raw transactions at the same timestamps always give the same blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
from eth.chains.base import Chain
from eth.constants import ZERO_ADDRESS, ZERO_HASH32
from eth.db.atomic import AtomicDB
from eth.exceptions import PyEVMError, Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

FORK = "prague"
BLOCK_GAS_LIMIT = 60_000_000
# A block more than half full would raise the base fee from zero (EIP-1559); with one transaction a block none can be.
TRANSACTION_GAS_LIMIT = BLOCK_GAS_LIMIT // 2


class TransactionRefusedError(ValueError):
    """The transaction cannot enter a block: malformed, wrong chain, wrong nonce, or more gas than a block gives it."""


class ExecutionRevertedError(Exception):
    """A call reverted; `data` is what the contract returned."""

    def __init__(self, data: bytes) -> None:
        super().__init__("execution reverted")
        self.data = data


class ExecutionFailedError(Exception):
    """A call stopped without returning data, for example out of gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call from outside: `to` None creates a contract."""

    sender: bytes
    to: bytes | None
    data: bytes = b""
    value: int = 0
    gas: int = TRANSACTION_GAS_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedTransaction:
    """Where a transaction went and what became of it."""

    block: BlockAPI
    transaction: SignedTransactionAPI
    receipt: ReceiptAPI


def type_of(transaction: SignedTransactionAPI) -> int:
    """EIP-2718 type of a transaction, 0 for a legacy one."""
    return int(getattr(transaction, "type_id", None) or 0)


class EvmChain:
    """The chain that a genesis (chain id, timestamp in seconds, 32 bytes that tell communities apart) starts."""

    def __init__(self, *, chain_id: int, genesis_s: int, genesis_extra: bytes) -> None:
        chain_class = Chain.configure(__name__="CommunityChain", vm_configuration=((0, PragueVM),), chain_id=chain_id)
        genesis = {
            "gas_limit": BLOCK_GAS_LIMIT,
            "timestamp": genesis_s,
            "extra_data": genesis_extra,
            "base_fee_per_gas": 0,
            "difficulty": 0,
            "coinbase": ZERO_ADDRESS,
            "mix_hash": ZERO_HASH32,
        }
        self.chain_id = chain_id
        self._chain = chain_class.from_genesis(AtomicDB(), genesis, {})
        self._headers: list[BlockHeaderAPI] = [self._chain.get_canonical_head()]
        self._number_by_hash: dict[bytes, int] = {self.head.hash: 0}
        self._number_by_transaction: dict[bytes, int] = {}

    @property
    def head(self) -> BlockHeaderAPI:
        return self._headers[-1]

    def decode(self, raw: bytes) -> SignedTransactionAPI:
        """The transaction in `raw`, checked as far as possible without executing it. Raises TransactionRefusedError."""
        try:
            transaction = PragueVM.get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
            chain_id = transaction.chain_id
            is_canonical = transaction.copy().encode() == raw  # a copy: the original has kept `raw` itself
        except (PyEVMError, ValidationError, RLPException, ValueError) as error:
            raise TransactionRefusedError(f"malformed transaction: {error}") from error
        if not is_canonical:
            raise TransactionRefusedError("malformed transaction: it has more than one encoding")
        if type_of(transaction) not in {0, 2}:
            raise TransactionRefusedError("only legacy and EIP-1559 transactions are accepted")
        if chain_id != self.chain_id:
            raise TransactionRefusedError(f"transaction is for chain {chain_id}, this is chain {self.chain_id}")
        if transaction.gas > TRANSACTION_GAS_LIMIT:
            raise TransactionRefusedError(f"gas limit {transaction.gas} is above {TRANSACTION_GAS_LIMIT}")
        expected = self.nonce(transaction.sender)
        if transaction.nonce != expected:
            problem = "nonce too low" if transaction.nonce < expected else "nonce too high"
            raise TransactionRefusedError(f"{problem}: next nonce {expected}, transaction nonce {transaction.nonce}")
        return transaction

    def build(self, raw: bytes, timestamp_s: int) -> BlockAPI:
        """The block that follows the head with this one transaction; the head stays where it is.

        Raises TransactionRefusedError. A transaction that reverts is mined, with status 0.
        """
        transaction = self.decode(raw)
        header = self._chain.create_header_from_parent(self.head, timestamp=timestamp_s, gas_limit=BLOCK_GAS_LIMIT)
        vm = self._chain.get_vm(header)
        try:
            filled, receipts, _ = vm.apply_all_transactions([transaction], header)
        except ValidationError as error:
            raise TransactionRefusedError(str(error)) from error
        block = vm.set_block_transactions_and_withdrawals(vm.get_block(), filled, [transaction], receipts)
        return vm.mine_block(block).block

    def append(self, block: BlockAPI) -> None:
        """Make `block`, just built on the head, the new head."""
        assert block.header.parent_hash == self.head.hash
        self._chain.chaindb.persist_block(block)
        self._number_by_hash[block.hash] = len(self._headers)
        for transaction in block.transactions:
            self._number_by_transaction[transaction.hash] = len(self._headers)
        self._headers.append(block.header)

    def number_of(self, block_hash: bytes) -> int | None:
        return self._number_by_hash.get(block_hash)

    def block(self, number: int) -> BlockAPI | None:
        if not 0 <= number < len(self._headers):
            return None
        return self._chain.get_block_by_header(self._headers[number])

    def header(self, number: int) -> BlockHeaderAPI | None:
        return self._headers[number] if 0 <= number < len(self._headers) else None

    def transaction(self, transaction_hash: bytes) -> MinedTransaction | None:
        number = self._number_by_transaction.get(transaction_hash)
        return None if number is None else self.mined(number)

    def mined(self, number: int) -> MinedTransaction:
        """The one transaction of block `number` >= 1."""
        block = self._chain.get_block_by_header(self._headers[number])
        (transaction,) = block.transactions
        (receipt,) = block.get_receipts(self._chain.chaindb)
        return MinedTransaction(block=block, transaction=transaction, receipt=receipt)

    def headers(self, first: int, last: int) -> Iterator[tuple[int, BlockHeaderAPI]]:
        for number in range(max(first, 0), min(last, len(self._headers) - 1) + 1):
            yield number, self._headers[number]

    def nonce(self, address: bytes, number: int | None = None) -> int:
        return int(self._state(number).get_nonce(address))

    def balance(self, address: bytes, number: int | None = None) -> int:
        return int(self._state(number).get_balance(address))

    def code(self, address: bytes, number: int | None = None) -> bytes:
        return bytes(self._state(number).get_code(address))

    def storage(self, address: bytes, slot: int, number: int | None = None) -> int:
        return int(self._state(number).get_storage(address, slot))

    def call(self, call: Call, number: int | None = None, *, timestamp_s: int | None = None) -> bytes:
        """What the call returns on top of block `number` (the head by default); nothing is kept.

        timestamp_s  what the code takes for the time, if later than the block; a second after the block by default
        Raises ExecutionRevertedError or ExecutionFailedError.
        """
        return bytes(self._execute(call, number, timestamp_s).output)

    def estimate_gas(self, call: Call, number: int | None = None, *, timestamp_s: int | None = None) -> int:
        """Gas that is enough for the call: what it uses before refunds and a 63rd more for calls between contracts."""
        computation = self._execute(call, number, timestamp_s)
        execution = int(call.gas - computation.get_gas_remaining())
        zeros = call.data.count(0)
        floor = 21_000 + 10 * zeros + 40 * (len(call.data) - zeros)  # EIP-7623
        return min(max(execution + execution // 63, floor), TRANSACTION_GAS_LIMIT)

    def _execute(self, call: Call, number: int | None, timestamp_s: int | None) -> ComputationAPI:
        below = self._header_at(number)
        vm = self._chain.get_vm(below)
        # Not py-evm's in_costless_state: the time in it is the machine's, which is not the chain's in a simulation.
        header = vm.create_header_from_parent(
            below, timestamp=max(timestamp_s or 0, below.timestamp + 1), coinbase=below.coinbase
        ).copy(base_fee_per_gas=0)
        hashes = chain((below.hash,), vm.previous_hashes)
        state = vm.build_state(vm.chaindb.db, header, vm.chain_context, hashes)
        unsigned = vm.create_unsigned_transaction(
            nonce=state.get_nonce(call.sender),
            gas_price=0,
            gas=min(call.gas, TRANSACTION_GAS_LIMIT),
            to=call.to or b"",
            value=call.value,
            data=call.data,
        )
        try:
            computation = state.costless_execute_transaction(SpoofTransaction(unsigned, from_=call.sender))
        except ValidationError as error:
            raise ExecutionFailedError(str(error)) from error
        failure = computation.error if computation.is_error else None
        if isinstance(failure, Revert):
            raise ExecutionRevertedError(bytes(computation.output))
        if failure is not None:
            raise ExecutionFailedError(f"{type(failure).__name__}: {failure}")
        return computation

    def _header_at(self, number: int | None) -> BlockHeaderAPI:
        return self.head if number is None else self._headers[number]

    def _state(self, number: int | None) -> Any:  # noqa: ANN401 py-evm leaves it untyped
        return self._chain.get_vm(self._header_at(number)).state
