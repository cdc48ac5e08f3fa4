"""What a result on an island says beside that of any clearing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandOutcome:
    """Energy in Wh, money in nano-units.

    shed_wh          firm demand that is not served
    spilled_wh       firm and curtailable generation for which there is no use, or no way
    loss_cost_nano   what sellers receive for the energy that is lost on the way; no buyer's amount contains it
    grid_forming_wh  what is accepted at the grid-forming unit's bus, + into the grid; 0 without a network
    is_dark          nothing can be served at all
    """

    lost_load_micro_per_kwh: int
    grid_forming_bus: int | None
    shed_wh: int
    spilled_wh: int
    loss_cost_nano: int
    grid_forming_wh: int
    is_dark: bool

    def document(self) -> dict[str, object]:
        """Ready for JSON."""
        return {
            "lost_load_micro_per_kwh": self.lost_load_micro_per_kwh,
            "grid_forming_bus": self.grid_forming_bus,
            "shed_wh": self.shed_wh,
            "spilled_wh": self.spilled_wh,
            "loss_cost_nano": self.loss_cost_nano,
            "grid_forming_wh": self.grid_forming_wh,
            "is_dark": self.is_dark,
        }
