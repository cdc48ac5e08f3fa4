"""Double-entry transfers: immutable moves of nano-units of currency between two accounts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from meters.interval import DeliveryInterval

MARKET = "system:market"
"""Stands between buyers and sellers; its net is zero in every interval."""

CONGESTION = "system:congestion"
PLATFORM_FEE = "system:platform_fee"
GRID_FEE = "system:grid_fee"
LEVIES = "system:levies"
VAT = "system:vat"
ROUNDING = "system:rounding"
TREASURY = "system:treasury"


class TransferKind(StrEnum):
    """What a transfer pays for; one bill line each."""

    ENERGY = "energy"
    DEVIATION = "deviation"
    CONGESTION = "congestion"
    PLATFORM_FEE = "platform_fee"
    GRID_FEE = "grid_fee"
    LEVIES = "levies"
    VAT = "vat"
    ROUNDING = "rounding"
    PAYMENT = "payment"


def member_account(participant: str) -> str:
    """Account name of a participant."""
    return f"member:{participant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`amount_nano` > 0 leaves `debit` and reaches `credit`.

    transfer_id  unique and derived from the content's business key, so that posting twice is one posting
    energy_wh    the energy it pays for, 0 where none
    run          settlement run that posted it: "D1", "SF", "R1", "RF"
    """

    transfer_id: str
    interval: DeliveryInterval
    run: str
    kind: TransferKind
    debit: str
    credit: str
    amount_nano: int
    energy_wh: int = 0
    price_micro_per_kwh: int = 0


class BusinessKey(NamedTuple):
    """What a transfer is about, whatever run posted it: `transfer_id` is RUN/START/KIND/SUBJECT/PART.

    subject  the metering point, or the account where no metering point is meant
    part     what of the kind: `buy@PRICE`, `sell@PRICE`, `buy`, `sell`, `rent`, `compensation`, `rebate`, `losses`, ...
    """

    start_s: int
    kind: TransferKind
    subject: str
    part: str

    def transfer_id(self, run: str) -> str:
        subject = self.subject.replace("%", "%25").replace("/", "%2F")
        return f"{run}/{self.start_s}/{self.kind}/{subject}/{self.part}"


def business_key(transfer: Transfer) -> BusinessKey:
    """The key inside `transfer.transfer_id`. Raises ValueError if that was not made from one."""
    pieces = transfer.transfer_id.split("/")
    if len(pieces) != 5:
        raise ValueError(f"transfer {transfer.transfer_id!r} is not named RUN/START/KIND/SUBJECT/PART")
    subject = pieces[3].replace("%2F", "/").replace("%25", "%")
    return BusinessKey(int(pieces[1]), TransferKind(pieces[2]), subject, pieces[4])


class Postings:
    """Collects the transfers of one interval and run."""

    def __init__(self, interval: DeliveryInterval, run: str) -> None:
        self.transfers: list[Transfer] = []
        self._interval = interval
        self._run = run

    def post(
        self,
        kind: TransferKind,
        subject: str,
        part: str,
        *,
        debit: str,
        credit: str,
        amount_nano: int,
        energy_wh: int = 0,
        price_micro_per_kwh: int = 0,
    ) -> None:
        """Move `amount_nano` from `debit` to `credit`; a negative amount goes the other way, nothing is not posted."""
        if amount_nano == 0:
            return
        if amount_nano < 0:
            debit, credit, amount_nano = credit, debit, -amount_nano
        self.transfers.append(
            Transfer(
                transfer_id=BusinessKey(self._interval.start_s, kind, subject, part).transfer_id(self._run),
                interval=self._interval,
                run=self._run,
                kind=kind,
                debit=debit,
                credit=credit,
                amount_nano=amount_nano,
                energy_wh=energy_wh,
                price_micro_per_kwh=price_micro_per_kwh,
            )
        )


def net_positions(transfers: Iterable[Transfer]) -> dict[str, int]:
    """Sum per account in nano-units, credits positive; the values add up to zero."""
    net: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        net[transfer.debit] -= transfer.amount_nano
        net[transfer.credit] += transfer.amount_nano
    assert sum(net.values()) == 0
    return dict(net)
