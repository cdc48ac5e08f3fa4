"""A demonstration that is cut off from the grid: its battery follows the homes, and load that is shed is switched."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Engine

from app.demo.counterfactual import bus_powers
from app.demo.founding import point_of
from app.demo.island_site import Followed, site_of
from app.demo.neighbourhood import SLOT_S, UNIT_ID, FloatArray, Neighbourhood
from app.demo.site import Flow, advanced
from app.demo.sites import LoadSwitches, SimulatedSite, SiteJournal
from app.demo.state import DemoState
from app.island_choice import IslandChoice
from app.storage.database import reading
from app.storage.store.community import envelopes
from app.storage.store.members import metering_points
from app.storage.store.rounds import MarketRound
from contracts.settlement import Allocation
from contracts.transfers import CONGESTION, Transfer, business_key, net_positions
from grid.network import GridNetwork
from meters.clock import Clock

ISLAND = IslandChoice(
    lost_load_micro_per_kwh=5_000_000, balancing_price_micro_per_kwh=300_000, grid_forming_member=UNIT_ID
)


class IslandDay:
    """The physics of the island: its network is cut off, and its unit forms it."""

    def __init__(self, world: Neighbourhood, network: GridNetwork, state: DemoState, clock: Clock) -> None:
        self._unit = next(home for home in world.homes if home.home_id == UNIT_ID)
        self.network = network.islanded(self._unit.bus)
        self._world = world
        self._state = state
        self._clock = clock
        self._sites: dict[str, tuple[object, SimulatedSite]] = {}

    def switch(self, engine: Engine, start_s: int) -> None:
        """Switch off what is shed in the interval that starts at `start_s`, as its envelopes say."""
        with reading(engine) as connection:
            rating_w = {point.id: point.connection_w for point in metering_points(connection)}
            told = {each.metering_point_id: each for each in envelopes(connection, start_s=start_s, end_s=start_s + 1)}
        limits_w = {
            home.home_id: float(told[point_of(home)].import_limit_w)
            for home in self._world.homes
            if point_of(home) in told and told[point_of(home)].import_limit_w < rating_w[point_of(home)]
        }
        LoadSwitches(self._state.switches).switch(start_s, limits_w)

    def follow(self, at_s: int) -> None:
        """Write down what the unit did in the slot that ends at `at_s`, the clock's present."""
        last = Followed.load(self._state.unit, self._unit, self._world.first_start_s)
        if last.homes_mwh and last.state.at_s >= at_s:
            return
        registers_mwh = self._registers_mwh()
        flow = last.flow
        if last.homes_mwh:
            drawn_mwh = [registers_mwh[name] - last.homes_mwh[name] for name in registers_mwh]
            net_w = np.array([*drawn_mwh, 0]) * 3.6 / SLOT_S
            unit_w = -float(net_w.sum()) - self.loss_w(net_w, at_s - SLOT_S)
            flow = Flow(net_w=unit_w, battery_w=unit_w, generation_w=0.0)
        state = replace(advanced(last.state, flow, SLOT_S), at_s=float(at_s))
        Followed(state=state, flow=flow, homes_mwh=registers_mwh).save(self._state.unit)

    def _registers_mwh(self) -> dict[str, int]:
        """Import less export of every home now, in the homes' order. A site is made anew if its set-points changed."""
        journal = SiteJournal(self._state.sites)
        registers_mwh = {}
        for column, home in enumerate(self._world.homes[:-1]):
            known, saved = self._sites.get(home.home_id), journal.load(home.home_id)
            if known is None or known[0] != saved:
                site = site_of(home, column, self._world, self._clock, journal, self._state)
                known = self._sites[home.home_id] = (saved, site)
            imported_mwh, exported_mwh = known[1].registers_mwh()
            registers_mwh[home.home_id] = imported_mwh - exported_mwh
        journal.close()
        return registers_mwh

    def loss_w(self, net_w: FloatArray, start_s: int) -> float:
        """What the network loses in a slot in which the homes draw `net_w` [n_home]."""
        active_w, reactive = bus_powers(self._world, self.network, net_w, self._world.slot(start_s))
        return float(self.network.solve(active_w, reactive).loss_w)

    @property
    def rounding_wh(self) -> float:
        """How far whole Wh of all meters together may be from what flowed in a slot."""
        return 0.5 * len(self._world.homes) + 1

    def lost_wh(self, allocations: Sequence[Allocation]) -> list[tuple[int, float]]:
        """(metered out less in, lost by the power flow of what was metered) of each slot."""
        column = {point_of(home): k for k, home in enumerate(self._world.homes)}
        net_wh: dict[int, FloatArray] = defaultdict(lambda: np.zeros(len(self._world.homes)))
        for each in allocations:
            net_wh[each.interval.start_s][column[each.metering_point]] = each.import_wh - each.export_wh
        return [
            (-round(float(wh.sum())), self.loss_w(wh * 3600 / SLOT_S, start_s) * SLOT_S / 3600)
            for start_s, wh in sorted(net_wh.items())
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandFigures:
    """An island's day, energies in Wh.

    cleared_loss_wh, loss_wh, loss_wh_by_power_flow  what rounds bought, what meters say, and what a power flow of the
                          metered energy loses; meters tell whole Wh, so the last two differ by their rounding
    energy_conserved      they differ by no more in any slot, and nothing was left to a supplier
    unit_stored_wh        in the unit at the end
    losses_paid_nano      what those who drew energy paid for losses and balancing
    """

    shed_wh: int
    spilled_wh: int
    dark_intervals: int
    cleared_loss_wh: int
    loss_wh: int
    loss_wh_by_power_flow: int
    unit_delivered_wh: int
    unit_taken_wh: int
    unit_stored_wh: int
    losses_paid_nano: int
    energy_conserved: bool


def island_figures(
    island: IslandDay,
    rounds: Sequence[MarketRound],
    allocations: Sequence[Allocation],
    transfers: Sequence[Transfer],
    *,
    unit_stored_wh: float,
) -> IslandFigures:
    """What the rounds published, what the meters said of it, and what physics says to that."""
    outcomes = [each.island for each in rounds if each.island is not None]
    unit = [each for each in allocations if each.participant == UNIT_ID]
    paid = net_positions(each for each in transfers if business_key(each).part == "losses")
    lost = island.lost_wh(allocations)
    return IslandFigures(
        shed_wh=sum(each["shed_wh"] for each in outcomes),
        spilled_wh=sum(each["spilled_wh"] for each in outcomes),
        dark_intervals=sum(each["is_dark"] for each in outcomes),
        cleared_loss_wh=sum(each["loss_wh"] for each in outcomes),
        loss_wh=sum(metered for metered, _ in lost),
        loss_wh_by_power_flow=round(sum(computed for _, computed in lost)),
        unit_delivered_wh=sum(each.sold_wh for each in unit),
        unit_taken_wh=sum(each.bought_wh for each in unit),
        unit_stored_wh=round(unit_stored_wh),
        losses_paid_nano=paid.get(CONGESTION, 0),
        energy_conserved=all(abs(metered - computed) <= island.rounding_wh for metered, computed in lost)
        and all(each.residual_import_wh == each.residual_export_wh == 0 for each in allocations),
    )
