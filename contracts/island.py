"""What a round on an island is settled with: nobody has a supplier, so all that was metered is settled inside.

What a meter shows beyond the contracts of its point came from the grid-forming unit or went to it, and has a stated
price. Money that is then missing pays for what the network lost; those who drew energy share it by what they drew
(`contracts.corrections.congestion_rebate`).
"""

from dataclasses import asdict, dataclass

from contracts.fields import FieldError, Fields
from matching.orders import Firmness, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandTerms:
    """Public, and anchored with every round. Prices in micro-units per kWh.

    lost_load_micro_per_kwh  what firm demand bids, whatever limit its order has
    balancing_price_micro_per_kwh  least that a kWh costs that is drawn beyond what was cleared, and that the unit gets
    grid_forming_point       metering point of the unit
    """

    lost_load_micro_per_kwh: int
    balancing_price_micro_per_kwh: int
    grid_forming_point: str

    def short_price_micro_per_kwh(self, clearing_price: int | None) -> int:
        """Of what homes draw and the unit delivers beyond contracts: the stated price, or a dearer interval's."""
        stated = self.balancing_price_micro_per_kwh
        return stated if clearing_price is None else max(stated, clearing_price)

    def rest_price_micro_per_kwh(self, side: Side, metering_point: str, clearing_price: int | None) -> int:
        """Of what a meter shows beyond the contracts of its point: surplus has the price of the interval, or none."""
        if (side is Side.BUY) != (metering_point == self.grid_forming_point):
            return self.short_price_micro_per_kwh(clearing_price)
        return clearing_price or 0

    def limit_micro_per_kwh(self, side: Side, firmness: Firmness, limit_micro_per_kwh: int) -> int:
        """What an order is held to."""
        is_firm_demand = side is Side.BUY and firmness is Firmness.FIRM
        return max(limit_micro_per_kwh, self.lost_load_micro_per_kwh) if is_firm_demand else limit_micro_per_kwh

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def read_island(fields: Fields) -> IslandTerms:
    """The inverse of `IslandTerms.to_json`. Raises FieldError."""
    terms = IslandTerms(
        lost_load_micro_per_kwh=fields.integer("lost_load_micro_per_kwh", least=1),
        balancing_price_micro_per_kwh=fields.integer("balancing_price_micro_per_kwh", least=0),
        grid_forming_point=fields.text("grid_forming_point"),
    )
    fields.close()
    if terms.balancing_price_micro_per_kwh > terms.lost_load_micro_per_kwh:
        raise FieldError(fields.at("balancing_price_micro_per_kwh"), "is above the value of lost load")
    return terms
