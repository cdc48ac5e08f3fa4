"""What clearing.json claims about an island."""

from dataclasses import dataclass

from matching.recheck.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandClaim:
    """What is said of a result without a supplier: energies in Wh, lost_load in micro-units per kWh.

    grid_forming_bus  None without a network
    """

    lost_load: int
    grid_forming_bus: int | None
    shed_wh: int
    spilled_wh: int
    loss_cost_nano: int
    grid_forming_wh: int
    is_dark: bool


def island_of(fields: Fields) -> IslandClaim:
    """Read the object `island`. Raises Unreadable."""
    claim = IslandClaim(
        lost_load=fields.integer("lost_load_micro_per_kwh"),
        grid_forming_bus=fields.integer("grid_forming_bus") if fields.has("grid_forming_bus") else None,
        shed_wh=fields.integer("shed_wh"),
        spilled_wh=fields.integer("spilled_wh"),
        loss_cost_nano=fields.integer("loss_cost_nano"),
        grid_forming_wh=fields.integer("grid_forming_wh"),
        is_dark=fields.truth("is_dark"),
    )
    fields.done()
    return claim
