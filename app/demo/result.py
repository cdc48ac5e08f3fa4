"""The figures of a demonstration, as a program reads them and as a person does."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from app.demo.island import IslandFigures, island_figures
from app.demo.report import (
    WORSE_OFF_FROM_NANO,
    Day,
    DayEnergy,
    DayNetwork,
    HomeResult,
    day_energy,
    day_network,
    home_results,
    load_day,
    without_market,
)
from app.demo.runner import Demonstration
from app.storage.database import reading
from app.storage.store.members import participants
from app.storage.store.outcomes import battery_sales_between
from app.storage.store.rounds import rounds_between
from app.storage.store.settlement import BatchRecord, balances, batches
from contracts.transfers import MARKET, member_account


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What `commonwatt demo --json` prints, and the homes for the table. Energies in Wh, money in nano-units."""

    date: str
    members: Sequence[str]
    intervals: int
    households: int
    readings: int
    trades: int
    traded_wh: int
    import_wh: int
    export_wh: int
    shifted_wh: int
    energy_conserved: bool
    money_conserved: bool
    homes_worse_off: int
    seller_gain_nano: int
    buyer_gain_nano: int
    self_sufficiency_before: float
    self_sufficiency_after: float
    self_consumption_before: float
    self_consumption_after: float
    intervals_bound: int
    ac_violations_without_limits: int
    ac_violations: int
    max_vm_pu: float
    max_line_loading_percent: float
    max_trafo_loading_percent: float
    max_vm_pu_without_limits: float
    max_line_loading_percent_without_limits: float
    max_trafo_loading_percent_without_limits: float
    batches: int
    gas_per_trade: float
    chain_matches_ledger: bool
    price_micro_per_kwh_mean: int
    memory_mb: float
    spent: dict[str, float]
    seconds: float
    island: IslandFigures | None
    homes: Sequence[HomeResult]

    def document(self) -> dict[str, object]:
        """JSON-able, without the homes' own figures."""
        values = asdict(self)
        del values["homes"]
        return values


def result_of(demo: Demonstration, *, started: float) -> DemoResult:
    """Compute everything from database, chain and the simulated world. `started` is `time.monotonic()` at the start."""
    plan = demo.plan
    day = load_day(demo.engine, first_s=plan.first_s, slots=plan.intervals)
    opening, closing = demo.batteries()
    alone = without_market(day, demo.world, demo.network, opening)
    homes = home_results(day, demo.world, alone, closing)
    with reading(demo.engine) as connection:
        shifted = sum(battery_sales_between(connection, start_s=plan.first_s, end_s=demo.end_s).values())
        rounds = rounds_between(connection, start_s=plan.first_s, end_s=demo.end_s)
        ledger = balances(connection)
        batch_records = batches(connection)
        lanes = {person.id: person.lane for person in participants(connection) if person.lane is not None}
    network = day_network(day, demo.world, demo.network if demo.island is None else demo.island.network, alone)
    island = None
    if demo.island is not None:
        stored_wh = float(closing[-1])
        island = island_figures(demo.island, rounds, day.allocations, day.transfers, unit_stored_wh=stored_wh)
    trades = sum((each.bought_wh > 0) + (each.sold_wh > 0) for each in day.allocations)
    prices = [each.clearing_price_micro_per_kwh for each in rounds if each.clearing_price_micro_per_kwh is not None]
    return DemoResult(
        date=plan.day,
        members=[home.home_id for home in demo.world.homes],
        intervals=plan.intervals,
        households=len(demo.world.homes),
        readings=len(day.energies),
        trades=trades,
        shifted_wh=shifted,
        energy_conserved=_energy_conserved(day, island, readings=plan.intervals * len(demo.world.homes)),
        money_conserved=sum(ledger.values()) == 0 and ledger.get(MARKET, 0) == 0,
        intervals_bound=sum(1 for each in rounds if each.binding_count),
        batches=len(batch_records),
        gas_per_trade=round(_gas(batch_records) / max(trades, 1), 1),
        chain_matches_ledger=_chain_matches(demo, ledger, lanes),
        price_micro_per_kwh_mean=sum(prices) // max(len(prices), 1),
        memory_mb=_memory_mb(),
        spent={name: round(seconds, 2) for name, seconds in demo.stopwatch.seconds.items()},
        seconds=round(time.monotonic() - started, 2),
        island=island,
        homes=homes,
        **_energy_figures(day_energy(day, demo.world, alone, shifted_wh=shifted)),
        **_network_figures(network, red_rounds=sum(1 for each in rounds if each.status == "red")),
        **_bill_figures(homes),
    )


def _energy_figures(energy: DayEnergy) -> dict[str, Any]:
    return {
        "traded_wh": energy.shared_wh,
        "import_wh": energy.import_wh,
        "export_wh": energy.export_wh,
        "self_sufficiency_before": round(energy.self_sufficiency_before, 4),
        "self_sufficiency_after": round(energy.self_sufficiency_after, 4),
        "self_consumption_before": round(energy.self_consumption_before, 4),
        "self_consumption_after": round(energy.self_consumption_after, 4),
    }


def _network_figures(network: DayNetwork, *, red_rounds: int) -> dict[str, Any]:
    alone = network.without_limits
    return {
        "ac_violations_without_limits": alone.violating_slots,
        "ac_violations": network.violations_delivered + red_rounds,
        "max_vm_pu": round(network.max_vm_pu, 5),
        "max_line_loading_percent": round(network.max_line_loading_percent, 2),
        "max_trafo_loading_percent": round(network.max_trafo_loading_percent, 2),
        "max_vm_pu_without_limits": round(alone.max_vm_pu, 5),
        "max_line_loading_percent_without_limits": round(alone.max_line_loading_percent, 2),
        "max_trafo_loading_percent_without_limits": round(alone.max_trafo_loading_percent, 2),
    }


def _bill_figures(homes: Sequence[HomeResult]) -> dict[str, Any]:
    return {
        "homes_worse_off": sum(1 for home in homes if home.better_nano <= -WORSE_OFF_FROM_NANO),
        "seller_gain_nano": sum(home.gains.seller_nano for home in homes),
        "buyer_gain_nano": sum(home.gains.buyer_nano for home in homes),
    }


def _gas(records: Sequence[BatchRecord]) -> int:
    return sum(record.gas_used or 0 for record in records)


def _energy_conserved(day: Day, island: IslandFigures | None, *, readings: int) -> bool:
    """Every meter was read, allocations say what meters say, and what was shared was drawn and fed in by somebody.

    On an island more is sold than bought: what the network lost.
    """
    metered = {(each.metering_point, each.interval): (each.import_wh, each.export_wh) for each in day.energies}
    allocated = {(each.metering_point, each.interval): (each.import_wh, each.export_wh) for each in day.allocations}
    bought = sum(each.bought_wh for each in day.allocations)
    sold = sum(each.sold_wh for each in day.allocations)
    adds_up = bought == sold if island is None else island.energy_conserved
    return len(metered) == readings and metered == allocated and adds_up


def _chain_matches(demo: Demonstration, ledger: dict[str, int], lanes: dict[str, int]) -> bool:
    """Every member's and every system account's balance on the chain is the ledger's, to the nano-unit."""
    on_chain = demo.access.ledger.balances()
    members = all(on_chain[lane] == ledger.get(member_account(member), 0) for member, lane in lanes.items())
    system = demo.access.ledger.system_balances()
    return members and all(amount == ledger.get(account, 0) for account, amount in system.items())


def _memory_mb() -> float:
    """Memory of this process and its children now, shared pages counted once."""
    here = psutil.Process()
    pss = sum(int(each.memory_full_info().pss) for each in [here, *here.children(recursive=True)])
    return round(pss / 1e6, 1)
