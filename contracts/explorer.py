"""What is on the ledger, read from the chain by JSON-RPC: state, transactions, and their events."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode

from contracts.certificates import Source
from contracts.evidence import hexed
from contracts.packing import LANES, unpack_balances
from contracts.verify_chain import ChainAnswerError, Rpc
from meters.signing import keccak

SYSTEM_ACCOUNTS = ("platform_fee", "grid_fee", "levies", "vat", "congestion", "rounding", "market", "treasury")
"""In the order of the contract's `systemBalances`."""
WORDS_PER_CALL = 500
SUPPLY_OF = keccak(b"supplyOf(uint8)")[:4]
_EVENTS = {
    "BatchSettled": (("uint64",), ("uint64", "uint64", "bytes32", "bytes32", "bytes32")),
    "MembersRegistered": ((), ("uint256", "uint256")),
    "AccountMoved": (("uint256",), ("address", "address")),
    "Issued": (("uint256",), ("uint256",)),
    "Redeemed": (("uint256",), ("uint256",)),
    "SuccessorAnnounced": (("address",), ("uint48",)),
    "SuccessorWithdrawn": (("address",), ()),
    "HandedOver": (("address",), ()),
    "BalancesAdopted": ((), ("uint256", "uint256", "bool")),
    "RoleGranted": (("bytes32", "address", "address"), ()),
    "RoleRevoked": (("bytes32", "address", "address"), ()),
    "Paused": ((), ("address",)),
    "Unpaused": ((), ("address",)),
    # of the certificates
    "PlantAdmitted": (("bytes32",), ("uint8",)),
    "Attested": ((), ("uint256[]", "uint56[]", "bytes32")),
    "Minted": (("uint32",), ("uint256[]", "bytes32")),
    "Retired": (("uint32",), ("uint256[]", "bytes32")),
    "Corrected": (("uint256",), ("uint56", "uint256", "uint256")),
}
_BY_TOPIC = {
    hexed(keccak(f"{name}({','.join((*indexed, *data))})".encode())): (name, indexed, data)
    for name, (indexed, data) in _EVENTS.items()
}
_SAID_TWICE = {
    hexed(keccak(event.encode()))
    for event in (
        "TransferSingle(address,address,address,uint256,uint256)",
        "TransferBatch(address,address,address,uint256[],uint256[])",
    )
}
"""What stands beside the certificates' own events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """The ledger at the chain's head, amounts in nano-units, credits positive.

    supply_nano   issued less redeemed: what wallets see as the total supply
    system_nano   by system account; with `members_nano`, the members together, they add up to zero
    """

    block_number: int
    last_sequence: int
    member_count: int
    supply_nano: int
    members_nano: int
    system_nano: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether every unit that somebody has is owed by somebody else."""
        return self.members_nano + sum(self.system_nano.values()) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSupply:
    """Wh of one source at the chain's head: metered, minted within that (both less corrections), and retired."""

    source: Source
    metered_wh: int
    minted_wh: int
    retired_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """An event of the ledger: its name, "" for one that is not known here, and its values, indexed ones first."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTransaction:
    """A transaction as the chain has it; `block_number` is None where the chain does not have it yet."""

    tx_hash: str
    block_number: int | None
    gas_used: int
    succeeded: bool
    events: tuple[LedgerEvent, ...]


def ledger_state(rpc: Rpc, ledger: str) -> LedgerState | None:
    """The ledger's state, None where the chain has no such contract. Raises ConnectionError without an answer."""
    if str(rpc("eth_getCode", [ledger, "latest"])) in {"0x", "None"}:
        return None

    def read(signature: str, returns: Sequence[str], arguments: Sequence[int] = ()) -> Any:  # noqa: ANN401  whatever it returns
        types = signature[signature.index("(") + 1 : -1]
        data = keccak(signature.encode())[:4] + encode(types.split(",") if types else [], arguments)
        answer = rpc("eth_call", [{"to": ledger, "data": hexed(data)}, "latest"])
        (value,) = decode(returns, bytes.fromhex(str(answer)[2:]))
        return value

    members = read("memberCount()", ["uint32"])
    words: list[int] = []
    count = (members + LANES - 1) // LANES
    for first in range(0, count, WORDS_PER_CALL):
        chunk = [first, min(WORDS_PER_CALL, count - first)]
        words += read("balanceWords(uint256,uint256)", ["uint256[]"], chunk)
    system = read("systemBalances()", [f"int64[{len(SYSTEM_ACCOUNTS)}]"])
    return LedgerState(
        block_number=int(str(rpc("eth_blockNumber", [])), 16),
        last_sequence=read("lastSequence()", ["uint64"]),
        member_count=members,
        supply_nano=read("totalSupply()", ["uint256"]),
        members_nano=sum(unpack_balances(words, members=members)),
        system_nano=dict(zip(SYSTEM_ACCOUNTS, system, strict=True)),
    )


def certificate_supplies(rpc: Rpc, certificates: str) -> tuple[CertificateSupply, ...]:
    """What is certified of every source of which there is any. Raises ConnectionError without an answer."""
    if str(rpc("eth_getCode", [certificates, "latest"])) in {"0x", "None"}:
        return ()
    found = []
    for source in Source:
        data = SUPPLY_OF + encode(["uint8"], [source])
        answer = rpc("eth_call", [{"to": certificates, "data": hexed(data)}, "latest"])
        metered, minted, retired = decode(["uint80"] * 3, bytes.fromhex(str(answer)[2:]))
        if metered or minted or retired:
            found.append(CertificateSupply(source=source, metered_wh=metered, minted_wh=minted, retired_wh=retired))
    return tuple(found)


def transaction_of(rpc: Rpc, tx_hash: str, contracts: Collection[str]) -> LedgerTransaction:
    """A transaction and what it did on these contracts. Raises ConnectionError without an answer."""
    try:
        receipt = rpc("eth_getTransactionReceipt", [tx_hash])
    except ChainAnswerError:
        receipt = None
    if not isinstance(receipt, dict):
        return LedgerTransaction(tx_hash=tx_hash, block_number=None, gas_used=0, succeeded=False, events=())
    known = {each.lower() for each in contracts}
    logs = [log for log in receipt["logs"] if str(log["address"]).lower() in known]
    return LedgerTransaction(
        tx_hash=tx_hash,
        block_number=int(receipt["blockNumber"], 16),
        gas_used=int(receipt["gasUsed"], 16),
        succeeded=int(receipt["status"], 16) == 1,
        events=tuple(_event(log) for log in logs if str(log["topics"][0]) not in _SAID_TWICE),
    )


def _event(log: Mapping[str, Any]) -> LedgerEvent:
    known = _BY_TOPIC.get(str(log["topics"][0]))
    if known is None:
        return LedgerEvent(name="", values=())
    name, indexed, data = known
    values = [
        decode([kind], bytes.fromhex(topic[2:]))[0] for kind, topic in zip(indexed, log["topics"][1:], strict=True)
    ]
    return LedgerEvent(name=name, values=(*values, *decode(data, bytes.fromhex(log["data"][2:]))))
