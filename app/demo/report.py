"""What the day was worth: bills with and without the market, energy, network and money, from what the database holds.

The comparison is a home alone with its supplier on the same meters under the same network limits. Energy that is left
in a battery at the end is counted at the home's own feed-in price on both sides.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Engine

from app.community import Snapshot, community_at, point_terms
from app.demo.counterfactual import SupplierOnlyDay, bus_powers, supplier_only_day
from app.demo.founding import point_of
from app.demo.neighbourhood import SLOT_S, FloatArray, Neighbourhood
from app.storage.database import reading
from app.storage.store.community import tariff_versions
from app.storage.store.readings import energies_of_points
from app.storage.store.settlement import allocations_between, transfers_between
from contracts.allocation import PointTerms
from contracts.bills import community_bill
from contracts.comparison import Gains, SuppliedEnergy, full_bill, gains, residual_energy, supplier_only_bill
from contracts.settlement import Allocation
from contracts.tariff import Tariff, TariffSchedule
from contracts.transfers import Transfer
from grid.network import GridNetwork
from meters.interval import DeliveryInterval, IntervalEnergy

MINUTES = SLOT_S // 60
WORSE_OFF_FROM_NANO = 5_000_000
"""Half a cent a day: what rounding to cents could hide anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeResult:
    """One home's day: cost with the market and with its supplier only (nano-units), and where the difference arose."""

    home_id: str
    full_nano: int
    supplier_only_nano: int
    unlimited_nano: int
    battery_nano: int
    gains: Gains
    bought_wh: int
    sold_wh: int

    @property
    def better_nano(self) -> int:
        return self.supplier_only_nano - self.full_nano + self.battery_nano


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """Energy of the community in the day, Wh; the shares are of consumption and of generation."""

    import_wh: int
    export_wh: int
    shared_wh: int
    self_sufficiency_before: float
    self_sufficiency_after: float
    self_consumption_before: float
    self_consumption_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayNetwork:
    """What the network saw: delivered, and what it would have seen without limits."""

    violations_delivered: int
    max_vm_pu: float
    max_line_loading_percent: float
    max_trafo_loading_percent: float
    without_limits: SupplierOnlyDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The day's data as the community stored it."""

    snapshot: Snapshot
    schedule: TariffSchedule
    terms: Mapping[str, PointTerms]
    energies: Sequence[IntervalEnergy]
    allocations: Sequence[Allocation]
    transfers: Sequence[Transfer]
    first_s: int
    slots: int


def load_day(engine: Engine, *, first_s: int, slots: int) -> Day:
    """Everything the report needs of the intervals from `first_s` on."""
    end_s = first_s + slots * SLOT_S
    with reading(engine) as connection:
        snapshot = community_at(connection, first_s)
        terms = {each.metering_point: each for each in point_terms(snapshot)}
        versions = tuple((start, Tariff.from_json(json.loads(text))) for start, text in tariff_versions(connection))
        return Day(
            snapshot=snapshot,
            schedule=TariffSchedule(versions=versions),
            terms=terms,
            energies=energies_of_points(connection, list(terms), start_s=first_s, end_s=end_s, minutes=MINUTES),
            allocations=_allocations(connection, terms, first_s, end_s),
            transfers=transfers_between(connection, start_s=first_s, end_s=end_s, minutes=MINUTES),
            first_s=first_s,
            slots=slots,
        )


def _allocations(
    connection: Connection, terms: Mapping[str, PointTerms], start_s: int, end_s: int
) -> tuple[Allocation, ...]:
    return tuple(
        Allocation(
            metering_point=row.metering_point,
            participant=terms[row.metering_point].participant,
            interval=DeliveryInterval.at(row.start_s, MINUTES),
            bought_wh=row.bought_wh,
            sold_wh=row.sold_wh,
            residual_import_wh=row.residual_import_wh,
            residual_export_wh=row.residual_export_wh,
            curtailed_wh=row.curtailed_wh,
        )
        for row in allocations_between(connection, start_s=start_s, end_s=end_s)
    )


def without_market(
    day: Day, world: Neighbourhood, network: GridNetwork, opening_stored_wh: FloatArray
) -> SupplierOnlyDay:
    """The same day with every home alone with its supplier."""
    return supplier_only_day(world, network, first_s=day.first_s, slots=day.slots, opening_stored_wh=opening_stored_wh)


def home_results(
    day: Day, world: Neighbourhood, alone: SupplierOnlyDay, closing_stored_wh: FloatArray
) -> tuple[HomeResult, ...]:
    """Bills of every home. A home with nothing to steer has the same meter readings with and without the market."""
    tariff = day.schedule.at(DeliveryInterval.at(day.first_s, MINUTES))
    metered = _metered_by_point(day)
    results = []
    for k, home in enumerate(world.homes):
        terms = day.terms[point_of(home)]
        own = [each for each in day.allocations if each.metering_point == terms.metering_point]
        steered = bool(home.generation_w or home.battery_w)
        import_wh, export_wh = metered[terms.metering_point]
        unlimited_wh = round(float(alone.export_wh[:, k].sum())) if steered else export_wh
        if steered:
            import_wh = round(float(alone.import_wh[:, k].sum()))
            export_wh = round(float(alone.limited_export_wh[:, k].sum()))

        def supplied(fed_in_wh: int, terms: PointTerms = terms, drawn_wh: int = import_wh) -> SuppliedEnergy:
            return SuppliedEnergy(terms=terms, tariff=tariff, import_wh=drawn_wh, export_wh=fed_in_wh)

        only = supplier_only_bill([supplied(export_wh)])
        community = community_bill(terms.participant, day.transfers, own, day.schedule)
        full = full_bill(community, [residual_energy(own, terms, tariff)])
        left_wh = round(float(closing_stored_wh[k] - alone.closing_stored_wh[k]))
        results.append(
            HomeResult(
                home_id=home.home_id,
                full_nano=full.total_nano,
                supplier_only_nano=only.total_nano,
                unlimited_nano=supplier_only_bill([supplied(unlimited_wh)]).total_nano,
                battery_nano=left_wh * terms.feed_in_price_micro_per_kwh,
                gains=gains(supplier_only=only, full=full),
                bought_wh=sum(each.bought_wh for each in own),
                sold_wh=sum(each.sold_wh for each in own),
            )
        )
    return tuple(results)


def day_energy(day: Day, world: Neighbourhood, alone: SupplierOnlyDay, *, shifted_wh: int) -> DayEnergy:
    """Energy balance. Before: each home on its own. After: with what the neighbourhood shared.

    What batteries sold (`shifted_wh`) had been used at home when it was stored: it is not used a second time.
    """
    import_wh = sum(energy.import_wh for energy in day.energies)
    export_wh = sum(energy.export_wh for energy in day.energies)
    shared_wh = sum(allocation.bought_wh for allocation in day.allocations)
    consumption = float(alone.consumption_wh.sum())
    row = world.slot(day.first_s)
    available = float(world.generation_w[row : row + day.slots].sum()) * SLOT_S / 3600
    used_before = available - float(alone.export_wh.sum())
    return DayEnergy(
        import_wh=import_wh,
        export_wh=export_wh,
        shared_wh=shared_wh,
        self_sufficiency_before=1 - float(alone.import_wh.sum()) / consumption,
        self_sufficiency_after=1 - (import_wh - shared_wh) / consumption,
        self_consumption_before=used_before / available if available else 0.0,
        self_consumption_after=(used_before + max(0, shared_wh - shifted_wh)) / available if available else 0.0,
    )


def day_network(day: Day, world: Neighbourhood, network: GridNetwork, alone: SupplierOnlyDay) -> DayNetwork:
    """Power flow of every delivered interval, on metered energy and the homes' true reactive power."""
    by_slot = np.zeros((day.slots, len(world.homes)))
    column = {point_of(home): k for k, home in enumerate(world.homes)}
    for energy in day.energies:
        slot = (energy.interval.start_s - day.first_s) // SLOT_S
        by_slot[slot, column[energy.metering_point]] = (energy.import_wh - energy.export_wh) * 3600 / SLOT_S
    first = world.slot(day.first_s)
    points = [network.solve(*bus_powers(world, network, by_slot[k], first + k)) for k in range(day.slots)]
    return DayNetwork(
        violations_delivered=sum(bool(point.violations) for point in points),
        max_vm_pu=max(float(point.vm_pu.max()) for point in points),
        max_line_loading_percent=max(float(point.line_loading_percent.max(initial=0)) for point in points),
        max_trafo_loading_percent=max(float(point.trafo_loading_percent.max(initial=0)) for point in points),
        without_limits=alone,
    )


def _metered_by_point(day: Day) -> dict[str, tuple[int, int]]:
    totals = dict.fromkeys(day.terms, (0, 0))
    for energy in day.energies:
        imported, exported = totals[energy.metering_point]
        totals[energy.metering_point] = (imported + energy.import_wh, exported + energy.export_wh)
    return totals
