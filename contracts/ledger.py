"""The SettlementLedger contract: deploy it, register members, settle batches, read balances and proofs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import ContractLogicError
from web3.types import TxReceipt

from contracts import transfers
from contracts.outbox import Outbox
from contracts.packing import LANES, MAX_SYSTEM_DELTA_NANO, pack_deltas, unpack_balances
from contracts.published import artifact, explain

SYSTEM_ACCOUNTS = (
    transfers.PLATFORM_FEE,
    transfers.GRID_FEE,
    transfers.LEVIES,
    transfers.VAT,
    transfers.CONGESTION,
    transfers.ROUNDING,
    transfers.MARKET,
    transfers.TREASURY,
)
"""In the contract's order. The treasury moves only by `issue` and `redeem`, never in a batch."""

CONTRACT = "SettlementLedger"
ZERO_ADDRESS = "0x" + "00" * 20
MEMBERS_PER_REGISTRATION = 250
WORDS_PER_ADOPTION = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBatch:
    """Net positions of a period and the roots of what they were computed from; all positions add up to zero.

    first_start_s, end_s  start of the first and end of the last interval, seconds since the Unix epoch
    member_deltas_nano    change by lane, credits positive
    system_deltas_nano    change by system account, credits positive; not the treasury
    trades_root, readings_root, evidence_hash  32 bytes each
    Raises ValueError if the contract could not accept it.
    """

    sequence: int
    first_start_s: int
    end_s: int
    member_deltas_nano: Mapping[int, int]
    system_deltas_nano: Mapping[str, int]
    trades_root: bytes
    readings_root: bytes
    evidence_hash: bytes

    def __post_init__(self) -> None:
        total = sum(self.member_deltas_nano.values()) + sum(self.system_deltas_nano.values())
        if total:
            raise ValueError(f"batch {self.sequence}: positions add up to {total} nano, not to zero")
        for account, delta_nano in self.system_deltas_nano.items():
            if account not in SYSTEM_ACCOUNTS:
                raise ValueError(f"batch {self.sequence}: {account} is not an account of the ledger")
            if account == transfers.TREASURY and delta_nano:
                raise ValueError(f"batch {self.sequence}: payments are issued and redeemed, not settled in a batch")
            if abs(delta_nano) > MAX_SYSTEM_DELTA_NANO:
                raise ValueError(f"batch {self.sequence}: {account} cannot change by {delta_nano} nano")
        if not 0 <= self.first_start_s < self.end_s:
            raise ValueError(f"batch {self.sequence}: the period {self.first_start_s} to {self.end_s} is empty")
        if any(len(root) != 32 for root in (self.trades_root, self.readings_root, self.evidence_hash)):
            raise ValueError(f"batch {self.sequence}: roots have 32 bytes")
        pack_deltas(self.member_deltas_nano)

    def arguments(self) -> tuple[Any, ...]:
        """The contract's `Batch`."""
        first_word, words = pack_deltas(self.member_deltas_nano)
        system = tuple(self.system_deltas_nano.get(account, 0) for account in SYSTEM_ACCOUNTS[:-1])
        roots = (self.trades_root, self.readings_root, self.evidence_hash)
        return (self.sequence, self.first_start_s, self.end_s, first_word, words, system, *roots)


def commitment(
    *, sequence: int, first_start_s: int, end_s: int, trades_root: bytes, readings_root: bytes, evidence_hash: bytes
) -> bytes:
    """What the contract keeps for a batch: the hash over its period and roots."""
    types = ["uint64"] * 3 + ["bytes32"] * 3
    return keccak(encode(types, [sequence, first_start_s, end_s, trades_root, readings_root, evidence_hash]))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredBatch:
    """A batch as the chain has it: period, roots, and the block it is in."""

    sequence: int
    first_start_s: int
    end_s: int
    trades_root: bytes
    readings_root: bytes
    evidence_hash: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes


class SettlementLedger:
    """One deployed ledger. Reading needs `w3` only; writing goes through `outbox`."""

    def __init__(self, w3: Web3, address: str, *, outbox: Outbox | None = None) -> None:
        self.address = Web3.to_checksum_address(address)
        self._w3 = w3
        self._outbox = outbox
        self._contract = w3.eth.contract(address=self.address, abi=artifact(CONTRACT)["abi"])

    @classmethod
    def deploy(
        cls,
        outbox: Outbox,
        *,
        currency: str,
        admin: str | None = None,
        treasurer: str | None = None,
        predecessor: str | None = None,
    ) -> Self:
        """The ledger of this outbox's key, deployed now or before. The key settles and by default has every role.

        One with a predecessor stays closed until that one was handed over to it and `adopt` has copied its balances.
        """
        factory = outbox.w3.eth.contract(abi=artifact(CONTRACT)["abi"], bytecode=artifact(CONTRACT)["bytecode"])
        settler = outbox.address
        constructor = factory.constructor(
            admin or settler, settler, treasurer or settler, currency, predecessor or ZERO_ADDRESS
        )
        business_id = "deploy" if predecessor is None else f"deploy:after:{predecessor}"
        receipt = outbox.send(business_id, None, bytes.fromhex(constructor.data_in_transaction.removeprefix("0x")))
        assert receipt["contractAddress"] is not None
        return cls(outbox.w3, receipt["contractAddress"], outbox=outbox)

    def announce_successor(self, successor: str) -> TxReceipt:
        """Say which contract will take over, a week before `hand_over` may be called."""
        return self._write(f"announce:{successor}", "announceSuccessor", Web3.to_checksum_address(successor))

    def successor(self) -> tuple[str, int] | None:
        """The announced successor and from when it may take over; None while none is announced."""
        address = str(self._read("successor"))
        return None if address == ZERO_ADDRESS else (address, int(self._read("successionFrom")))

    def hand_over(self) -> TxReceipt:
        """Close this ledger for good in favour of the announced successor."""
        return self._write(f"hand-over:{self.address}", "handOver")

    def adopt(self) -> None:
        """Copy the predecessor's members, balances and sequence, and open this ledger; repeating it does nothing."""
        members = SettlementLedger(self._w3, self._read("predecessor")).member_count()
        for first_word in range(0, max(-(-members // LANES), 1), WORDS_PER_ADOPTION):
            self._write(f"adopt:{self.address}:{first_word}", "adopt", WORDS_PER_ADOPTION)

    def register_members(self, first_lane: int, accounts: Sequence[str | None]) -> None:
        """Give lanes from `first_lane` on to members, each with the address its wallet may look at, or None.

        Repeating it with the same accounts does nothing.
        """
        for start in range(0, len(accounts), MEMBERS_PER_REGISTRATION):
            lane = first_lane + start
            chunk = [account or ZERO_ADDRESS for account in accounts[start : start + MEMBERS_PER_REGISTRATION]]
            self._write(f"register:{lane}", "registerMembers", lane, [Web3.to_checksum_address(each) for each in chunk])

    def move_account(self, business_id: str, *, lane: int, before: str | None, after: str | None) -> TxReceipt:
        """Show a member's balance to the wallet `after` and no longer to `before`; None for no wallet."""
        accounts = (Web3.to_checksum_address(account or ZERO_ADDRESS) for account in (before, after))
        return self._write(f"account:{business_id}", "moveAccount", lane, *accounts)

    def account_lane(self, account: str) -> int | None:
        """The lane whose balance a wallet sees; None where it sees none."""
        found = int(self._read("lanePlusOneOf", Web3.to_checksum_address(account)))
        return found - 1 if found else None

    def settle(self, batch: LedgerBatch) -> TxReceipt:
        """Apply the batch once; the receipt of its transaction, also when it was applied before."""
        return self._write(f"settle:{batch.sequence}", "settle", batch.arguments())

    def issue(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt:
        """Credit a member who has paid."""
        return self._write(f"issue:{business_id}", "issue", lane, amount_nano)

    def redeem(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt:
        """Debit a member who has been paid out."""
        return self._write(f"redeem:{business_id}", "redeem", lane, amount_nano)

    def pause(self, business_id: str) -> TxReceipt:
        return self._write(f"pause:{business_id}", "pause")

    def unpause(self, business_id: str) -> TxReceipt:
        return self._write(f"unpause:{business_id}", "unpause")

    def balance_of(self, lane: int) -> int:
        """Nano-units that the member is owed; negative: owes."""
        return int(self._read("balanceOfLane", lane))

    def balances(self) -> tuple[int, ...]:
        """All members' balances in nano-units, by lane."""
        members = self.member_count()
        return unpack_balances(self._read("balanceWords", 0, -(-members // LANES)), members=members)

    def system_balances(self) -> dict[str, int]:
        """Nano-units by system account."""
        return dict(zip(SYSTEM_ACCOUNTS, self._read("systemBalances"), strict=True))

    def system_balance(self, account: str) -> int:
        return self.system_balances()[account]

    def member_count(self) -> int:
        return int(self._read("memberCount"))

    def last_sequence(self) -> int:
        """Sequence of the newest batch, 0 before the first."""
        return int(self._read("lastSequence"))

    def commitment(self, sequence: int) -> bytes | None:
        """What the contract keeps for the batch (compare with `commitment(...)`), None if there is no such batch."""
        value = bytes(self._read("commitmentOf", sequence))
        return value if any(value) else None

    def roots(self, sequence: int) -> AnchoredBatch | None:
        """Period and roots of a batch from its event, checked against the contract's commitment; None if none."""
        kept = self.commitment(sequence)
        if kept is None:
            return None
        events = self._contract.events.BatchSettled().get_logs(from_block=0, argument_filters={"sequence": sequence})
        if not events:
            return SettlementLedger(self._w3, self._read("predecessor")).roots(sequence)
        (event,) = events
        fields = event["args"]
        batch = AnchoredBatch(
            sequence=fields["sequence"],
            first_start_s=fields["firstStart"],
            end_s=fields["end"],
            trades_root=fields["tradesRoot"],
            readings_root=fields["readingsRoot"],
            evidence_hash=fields["evidenceHash"],
            block_number=event["blockNumber"],
            block_hash=bytes(event["blockHash"]),
            tx_hash=bytes(event["transactionHash"]),
        )
        assert kept == commitment(
            sequence=batch.sequence,
            first_start_s=batch.first_start_s,
            end_s=batch.end_s,
            trades_root=batch.trades_root,
            readings_root=batch.readings_root,
            evidence_hash=batch.evidence_hash,
        )
        return batch

    def has_published_code(self) -> bool:
        """Whether the code on the chain is the one this version was compiled to."""
        return keccak(self._w3.eth.get_code(self.address)) == bytes.fromhex(artifact(CONTRACT)["runtime_hash"][2:])

    def _read(self, function: str, *arguments: Any) -> Any:  # noqa: ANN401 whatever the ABI says
        try:
            return self._contract.functions[function](*arguments).call()
        except ContractLogicError as error:
            raise explain(error, CONTRACT) from error

    def _write(self, business_id: str, function: str, *arguments: Any) -> TxReceipt:  # noqa: ANN401 as above
        if self._outbox is None:
            raise ValueError("this ledger was opened for reading only")
        data = bytes.fromhex(self._contract.encode_abi(function, args=list(arguments)).removeprefix("0x"))
        try:
            return self._outbox.send(business_id, self.address, data)
        except ContractLogicError as error:
            raise explain(error, CONTRACT) from error
