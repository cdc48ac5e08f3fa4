"""A community that is an island, as the section [grid] of `commonwatt.toml` says it: no supplier, local energy only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.community_settings import PRICE_MICRO_PER_KWH_MAX, MemberSettings
from contracts.fields import FieldError, Fields
from contracts.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandChoice:
    """Prices in micro-units per kWh.

    lost_load_micro_per_kwh        what a kWh of firm demand is worth that is not served
    balancing_price_micro_per_kwh  least that a kWh costs that is drawn beyond what was cleared, and that the unit gets
    grid_forming_member            whose battery forms the grid
    """

    lost_load_micro_per_kwh: int
    balancing_price_micro_per_kwh: int
    grid_forming_member: str

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def island_from(fields: Fields, members: Sequence[MemberSettings]) -> IslandChoice | None:
    """Read the section [grid]; None where it says `islanded = false`. Raises FieldError naming the key."""
    if not fields.flag("islanded"):
        for name in fields.names():
            if name in IslandChoice.__dataclass_fields__:
                raise FieldError(fields.at(name), "is for islands: set islanded = true or leave it out")
        fields.close()
        return None
    lost_load = fields.integer("lost_load_micro_per_kwh", least=1, most=100 * PRICE_MICRO_PER_KWH_MAX)
    choice = IslandChoice(
        lost_load_micro_per_kwh=lost_load,
        balancing_price_micro_per_kwh=fields.integer("balancing_price_micro_per_kwh", least=0, most=lost_load),
        grid_forming_member=fields.text("grid_forming_member"),
    )
    fields.close()
    unit = next((member for member in members if member.id == choice.grid_forming_member), None)
    if unit is None:
        raise FieldError(fields.at("grid_forming_member"), f"{choice.grid_forming_member!r} is no member: use an id")
    if not unit.battery_w or not unit.battery_wh:
        raise FieldError(
            fields.at("grid_forming_member"), f"{unit.id} has no battery: give its battery_w and battery_wh"
        )
    return choice


def dearest_bid(choice: IslandChoice, members: Sequence[MemberSettings], tariff: Tariff) -> str | None:
    """Who may bid or ask as much as firm demand is worth, so that it would not come first; None where nobody may."""
    saved = tariff.supplied_charges_micro_per_kwh - tariff.shared_charges_micro_per_kwh
    for member in members:
        most = member.supplier_price_micro_per_kwh + max(0, saved)
        if most >= choice.lost_load_micro_per_kwh:
            return f"member {member.id} may bid {most}"
    return None
