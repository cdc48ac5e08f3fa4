"""Orders and what a clearing makes of them. Integer Wh, integer micro-units of currency per kWh."""

from dataclasses import dataclass
from enum import StrEnum

from matching.preferences.attributes import NO_ATTRIBUTES, OrderAttributes

PRICE_TICK_MICRO_PER_KWH = 100


class Side(StrEnum):
    """Which side of the book."""

    BUY = "buy"
    SELL = "sell"


class Firmness(StrEnum):
    """What happens to the energy of an order that is not accepted.

    FIRM         flows all the same, to or from the participant's supplier
    CURTAILABLE  flows unless the network needs it reduced
    FLEXIBLE     flows only if accepted
    """

    FIRM = "firm"
    CURTAILABLE = "curtailable"
    FLEXIBLE = "flexible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One step of a participant's supply or demand in one delivery interval.

    quantity_wh            >= 0
    limit_micro_per_kwh    a buyer pays at most, a seller gets at least; on the price tick; may be negative
    bus                    index in the network's bus table, None where there is no network
    attributes             source, feeder, zone and premiums, for communities that trade by them
    """

    order_id: str
    participant: str
    metering_point: str
    side: Side
    quantity_wh: int
    limit_micro_per_kwh: int
    firmness: Firmness
    bus: int | None = None
    attributes: OrderAttributes = NO_ATTRIBUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Outcome of one order; every order of the book has one.

    accepted_wh  everything cleared, the supplier's share included; curtailed_wh only for curtailable orders
    price_micro_per_kwh  None where nothing was accepted
    amount_nano = accepted_wh * price, or where the price is a floored average up to a nano-unit per Wh more; >= 0 for
                 prices >= 0; the side says who pays
    """

    order_id: str
    accepted_wh: int
    curtailed_wh: int
    price_micro_per_kwh: int | None
    amount_nano: int
