"""Double-entry transfers: immutable moves of nano-units of currency between two accounts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from meters.interval import DeliveryInterval

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


def net_positions(transfers: Iterable[Transfer]) -> dict[str, int]:
    """Sum per account in nano-units, credits positive; the values add up to zero."""
    net: dict[str, int] = defaultdict(int)
    for transfer in transfers:
        net[transfer.debit] -= transfer.amount_nano
        net[transfer.credit] += transfer.amount_nano
    assert sum(net.values()) == 0
    return dict(net)
