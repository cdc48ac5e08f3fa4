"""The EnergyCertificate contract: attest, mint, retire and correct what `contracts.certificates` has worked out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from web3 import Web3
from web3.exceptions import ContractLogicError
from web3.types import TxReceipt

from contracts.certificates import Source
from contracts.outbox import Outbox
from contracts.published import artifact, explain

CONTRACT = "EnergyCertificate"
INTERVALS_PER_CALL = 300
"""A day of quarter-hours from three sources; some 12 million gas, which fits into any block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """Wh of one interval and source as the chain has them; `minted_wh` is less what corrections took back."""

    metered_wh: int
    minted_wh: int
    retired_wh: int


class EnergyCertificates:
    """One deployed contract, written through `outbox`, whose key needs the roles for what is called."""

    def __init__(self, outbox: Outbox, address: str) -> None:
        self.address = Web3.to_checksum_address(address)
        self._outbox = outbox
        self._contract = outbox.w3.eth.contract(address=self.address, abi=artifact(CONTRACT)["abi"])

    @classmethod
    def deploy(cls, outbox: Outbox, *, interval_minutes: int, meterer: str | None = None) -> Self:
        """The certificates of this outbox's key, which issues them; by default it says what was metered, too."""
        own = outbox.address
        factory = outbox.w3.eth.contract(abi=artifact(CONTRACT)["abi"], bytecode=artifact(CONTRACT)["bytecode"])
        constructor = factory.constructor(own, meterer or own, own, own, interval_minutes * 60)
        data = bytes.fromhex(constructor.data_in_transaction.removeprefix("0x"))
        receipt = outbox.send("deploy:certificates", None, data)
        assert receipt["contractAddress"] is not None
        return cls(outbox, receipt["contractAddress"])

    def admit_plant(self, pseudonym: bytes, source: Source) -> TxReceipt:
        """Certify a plant's output here; `pseudonym` has 32 bytes and names it to nobody."""
        return self._write(f"certificates:admit:{pseudonym.hex()}", "admitPlant", pseudonym, source)

    def attest(self, batch: str, metered_wh: Mapping[int, int], readings_root: bytes) -> None:
        """Say what was metered, Wh by certificate id; `batch` names these intervals once for ever."""
        self._write_all(f"certificates:attest:{batch}", "attest", metered_wh, readings_root)

    def mint(self, batch: str, generated_wh: Mapping[int, int], generated_root: bytes) -> None:
        """Mint what was attested; the root is over the generators' shares."""
        self._write_all(f"certificates:mint:{batch}", "mint", generated_wh, generated_root)

    def retire(self, batch: str, consumed_wh: Mapping[int, int], consumed_root: bytes) -> None:
        """Retire what members consumed; the root is over the consumers' shares."""
        self._write_all(f"certificates:retire:{batch}", "retire", consumed_wh, consumed_root)

    def correct(self, run: str, certificate_id: int, metered_wh: int) -> TxReceipt:
        """Lower what was metered and burn above it; `run` is the settlement run that found it."""
        return self._write(f"certificates:correct:{run}:{certificate_id}", "correct", certificate_id, metered_wh)

    def record(self, certificate_id: int) -> CertificateRecord:
        metered_wh, minted_wh, retired_wh, *_ = self._contract.functions.recordOf(certificate_id).call()
        return CertificateRecord(metered_wh=metered_wh, minted_wh=minted_wh, retired_wh=retired_wh)

    def supply(self, source: Source) -> CertificateRecord:
        """Sums of all the records of a source."""
        metered_wh, minted_wh, retired_wh = self._contract.functions.supplyOf(source).call()
        return CertificateRecord(metered_wh=metered_wh, minted_wh=minted_wh, retired_wh=retired_wh)

    def root(self, batch_number: int) -> bytes:
        """Root of the shares in the contract's batch of that number, from 1."""
        return bytes(self._contract.functions.rootOf(batch_number).call())

    def _write_all(self, business_id: str, function: str, wh: Mapping[int, int], root: bytes) -> None:
        for number, part in enumerate(_parts(wh)):
            self._write(
                f"{business_id}:{number}" if number else business_id, function, list(part), [*part.values()], root
            )

    def _write(self, business_id: str, function: str, *arguments: Any) -> TxReceipt:  # noqa: ANN401 whatever the ABI says
        data = bytes.fromhex(self._contract.encode_abi(function, args=list(arguments)).removeprefix("0x"))
        try:
            return self._outbox.send(business_id, self.address, data)
        except ContractLogicError as error:
            raise explain(error, CONTRACT) from error


def _parts(wh: Mapping[int, int]) -> Iterator[dict[int, int]]:
    """The same in their order, a call's worth each."""
    ids = sorted(wh)
    for first in range(0, len(ids), INTERVALS_PER_CALL):
        yield {identity: wh[identity] for identity in ids[first : first + INTERVALS_PER_CALL]}
