"""The EnergyCertificate contract: attest, mint, retire and correct what `contracts.certificates` has worked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from web3 import Web3
from web3.exceptions import ContractLogicError
from web3.types import TxReceipt

from contracts.certificates import CertifiedInterval, Source
from contracts.outbox import Outbox
from contracts.published import artifact, explain

CONTRACT = "EnergyCertificate"


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

    def attest(self, batch: str, certified: Sequence[CertifiedInterval], readings_root: bytes) -> TxReceipt:
        """Say what was metered; `batch` names these intervals once for ever."""
        totals = [each.total_generated_wh for each in certified]
        return self._write(f"certificates:attest:{batch}", "attest", _ids(certified), totals, readings_root)

    def mint(self, batch: str, certified: Sequence[CertifiedInterval], generated_root: bytes) -> TxReceipt:
        """Mint what was attested; the root is over the generators' shares."""
        totals = [each.total_generated_wh for each in certified]
        return self._write(f"certificates:mint:{batch}", "mint", _ids(certified), totals, generated_root)

    def retire(self, batch: str, certified: Sequence[CertifiedInterval], consumed_root: bytes) -> TxReceipt:
        """Retire what members consumed; the root is over the consumers' shares."""
        used = [each for each in certified if each.total_consumed_wh]
        totals = [each.total_consumed_wh for each in used]
        return self._write(f"certificates:retire:{batch}", "retire", _ids(used), totals, consumed_root)

    def correct(self, run: str, certificate_id: int, metered_wh: int) -> TxReceipt:
        """Lower what was metered and burn above it; `run` is the settlement run that found it."""
        return self._write(f"certificates:correct:{run}:{certificate_id}", "correct", certificate_id, metered_wh)

    def record(self, certificate_id: int) -> CertificateRecord:
        metered_wh, minted_wh, retired_wh, *_ = self._contract.functions.recordOf(certificate_id).call()
        return CertificateRecord(metered_wh=metered_wh, minted_wh=minted_wh, retired_wh=retired_wh)

    def root(self, batch_number: int) -> bytes:
        """Root of the shares in the contract's batch of that number, from 1."""
        return bytes(self._contract.functions.rootOf(batch_number).call())

    def _write(self, business_id: str, function: str, *arguments: Any) -> TxReceipt:  # noqa: ANN401 whatever the ABI says
        data = bytes.fromhex(self._contract.encode_abi(function, args=list(arguments)).removeprefix("0x"))
        try:
            return self._outbox.send(business_id, self.address, data)
        except ContractLogicError as error:
            raise explain(error, CONTRACT) from error


def _ids(certified: Sequence[CertifiedInterval]) -> list[int]:
    return [each.certificate_id for each in certified]
