"""The battery that forms the grid of a demonstration's island, as its meter shows it.

What it gives or takes nobody decides: it is what the homes leave, and what the network loses. That is known when a slot
is over (`app.demo.island`), and written down before the meter is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.demo.neighbourhood import UNIT_ID, Home, Neighbourhood
from app.demo.site import Flow, SiteState
from app.demo.sites import LoadSwitches, SimulatedSite, SiteJournal, opening_state
from app.demo.state import DemoState, write_whole
from meters.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The unit at a boundary between slots, its powers in the last one, and the homes' registers then, net, in mWh."""

    state: SiteState
    flow: Flow
    homes_mwh: Mapping[str, int]

    @classmethod
    def load(cls, path: Path, unit: Home, first_start_s: int) -> "Followed":
        """What was written last; the unit at rest before anything was."""
        if not path.exists():
            still = Flow(net_w=0.0, battery_w=0.0, generation_w=0.0)
            return cls(state=opening_state(unit, first_start_s), flow=still, homes_mwh={})
        values = json.loads(path.read_text())
        return cls(state=SiteState(**values["state"]), flow=Flow(**values["flow"]), homes_mwh=values["homes_mwh"])

    def save(self, path: Path) -> None:
        """Replace what was written last."""
        write_whole(path, json.dumps(asdict(self)))


class GridFormingSite(SimulatedSite):
    """Shows what was followed last, and obeys nobody."""

    def __init__(
        self, home: Home, column: int, world: Neighbourhood, clock: Clock, journal: SiteJournal, path: Path
    ) -> None:
        super().__init__(home, column, world, clock, journal)
        self._path = path

    def _now(self) -> tuple[SiteState, Flow]:
        followed = Followed.load(self._path, self.home, self._world.first_start_s)
        return followed.state, followed.flow


def site_of(
    home: Home, column: int, world: Neighbourhood, clock: Clock, journal: SiteJournal, state: DemoState
) -> SimulatedSite:
    """What stands behind a home's meter in a demonstration."""
    if home.home_id == UNIT_ID:
        return GridFormingSite(home, column, world, clock, journal, state.unit)
    return SimulatedSite(home, column, world, clock, journal, LoadSwitches(state.switches))
