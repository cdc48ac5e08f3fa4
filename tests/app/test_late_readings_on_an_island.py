"""An island's day, settled without one home's meter: spilled, shed and stored energy, corrected and proved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.agents.battery import BatteryLook
from app.agents.histories import Histories
from app.ledger_access import LedgerAccess
from app.local_time import LocalMonth
from app.market_round import MarketDesk, open_gate, run_gate_closure
from app.month_runs import run_due_months
from app.settlement_calendar import RunCalendar, RunKind
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from app.storage.database import open_database, reading, writing
from app.storage.store.devices import Device, add_device
from app.storage.store.outcomes import save_battery_looks
from app.storage.store.settlement import balances, batches
from app.storage.store.settlement_runs import runs_between
from contracts.transfers import CONGESTION, MARKET
from grid.network import GridNetwork
from meters.interval import DeliveryInterval
from tests.app.island_street import cut_off, habit, street_in
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock, found_community
from tests.app.signed_meters import (
    SLOT_S,
    SignedMeter,
    altered,
    ledger_of,
    statement_file,
    verified,
    verified_by_stranger,
)
from tests.app.test_settlement_runs import BERLIN

SF_S = RunCalendar().due_s(RunKind.SF, LocalMonth.parse("2025-06", BERLIN))
MEMBERS = ("anna", "bela", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarter:
    """What homes are used to, what the battery holds, and what meters then say of each, Wh: + is fed in."""

    habit_wh: dict[str, int]
    stored_wh: int
    metered_wh: dict[str, int]


BALANCED = Quarter(
    habit_wh={"anna": 800, "bela": -500}, stored_wh=10_000, metered_wh={"anna": 790, "bela": -600, "unit": -183}
)
SPILLED = Quarter(
    habit_wh={"anna": 800, "bela": -500}, stored_wh=17_900, metered_wh={"anna": 603, "bela": -520, "unit": -80}
)
SHED = Quarter(
    habit_wh={"anna": -100, "bela": -500}, stored_wh=2_300, metered_wh={"anna": -90, "bela": -250, "unit": 352}
)

NEXT_S = SF_S + 14 * 3_600
ROUNDS = {NOON_S: BALANCED, NOON_S + SLOT_S: SPILLED, NOON_S + 2 * SLOT_S: SHED, NEXT_S: BALANCED}


class IslandDays:
    """The island with its ledger; its rounds are cleared and metered one by one."""

    def __init__(self, state: Path, network: GridNetwork) -> None:
        self.engine: Engine = open_database(f"sqlite:///{state / 'community.sqlite'}")
        found_community(self.engine, first_lane=0)
        cut_off(self.engine, network, unit_lane=2)
        with writing(self.engine) as connection:
            add_device(
                connection,
                Device(id="d-unit", metering_point_id="mp-unit", gateway_id="g1", profile="eastron_sdm630"),
            )
            for start_s, quarter in ROUNDS.items():
                habit(connection, start_s, **quarter.habit_wh)
        self.clock = StandingClock(NOON_S - DAY_S)
        self.access: LedgerAccess = ledger_of(self.engine, state, self.clock)
        self.meters = {name: SignedMeter(device=f"d-{name}") for name in MEMBERS}
        self.statuses: list[str] = []
        self._market = MarketDesk(
            engine=self.engine, clock=self.clock, network=network, histories=Histories(self.engine, minutes=15)
        )
        self._settlement = SettlementDesk(engine=self.engine, clock=self.clock, ledger=self.access.ledger)

    def live(self, start_s: int, *, without: str = "") -> None:
        """Clear the round of a quarter-hour, deliver it, and let the meters tell, but one."""
        interval, quarter = DeliveryInterval.at(start_s), ROUNDS[start_s]
        self.clock.now_s = start_s - SLOT_S + 1
        with writing(self.engine) as connection:
            looks = {"mp-unit": BatteryLook(at_s=start_s - SLOT_S, stored_wh=quarter.stored_wh)}
            save_battery_looks(connection, looks)
        open_gate(self._market, interval)
        clearing = run_gate_closure(self._market, interval)
        assert clearing is not None
        self.statuses.append(clearing.status)
        self.clock.now_s = start_s + SLOT_S
        for name, net_wh in quarter.metered_wh.items():
            self.meters[name].read(start_s, max(0, -net_wh), max(0, net_wh))
            if name != without:
                self.meters[name].send(self.engine, self.clock)

    def settle_at(self, now_s: int) -> None:
        """Runs and first settlements that are due, and what there is for the chain."""
        self.clock.now_s = now_s
        run_due_months(self._settlement)
        settle_due_periods(self._settlement)
        anchor_batches(self._settlement)


@pytest.fixture
def corrected(tmp_path: Path) -> Iterator[IslandDays]:
    """bela's gateway was silent, her day was settled without her, and the final run corrected it."""
    days = IslandDays(tmp_path, street_in(tmp_path))
    for start_s in ROUNDS:
        if start_s != NEXT_S:
            days.live(start_s, without="bela")
    days.settle_at(NOON_S + 3 * DAY_S)
    days.meters["bela"].send(days.engine, days.clock)
    days.settle_at(SF_S)
    days.live(NEXT_S)
    days.settle_at(NEXT_S + 3 * DAY_S)
    yield days
    days.access.close()


def test_the_correction_balances_and_every_member_s_statement_is_accepted_by_both_verifiers(
    corrected: IslandDays, tmp_path: Path
) -> None:
    assert corrected.statuses == ["green", "amber", "red", "green"]
    with reading(corrected.engine) as connection:
        runs = runs_between(connection, start_s=0, end_s=1 << 40)
        held = balances(connection)
        correction = batches(connection)[-1]
    assert [(each.name, each.is_complete) for each in runs] == [("D1", False), ("SF", True), ("D1", True)]
    assert runs[1].intervals_changed == 3
    assert correction.corrects_from_s == NOON_S
    assert held.get(MARKET, 0) == held.get(CONGESTION, 0) == sum(held.values()) == 0
    for member in MEMBERS:
        file = statement_file(tmp_path, member, "2025-06")
        ours = verified(file, tmp_path)
        assert ours.exit_code == 0, ours.output
        stranger = verified_by_stranger(file, corrected.access.embedded)
        assert (stranger.returncode, stranger.stderr) == (0, ""), member
        drawn, fed_in = (json.loads(file.read_text())["totals"][name] for name in ("import_wh", "export_wh"))
        net_wh = [quarter.metered_wh[member] for quarter in (BALANCED, SPILLED, SHED)]
        assert (drawn, fed_in) == (-sum(min(0, wh) for wh in net_wh), sum(max(0, wh) for wh in net_wh))


def test_an_altered_figure_of_the_island_is_refused_by_both(corrected: IslandDays, tmp_path: Path) -> None:
    file = statement_file(tmp_path, "bela", "2025-06")
    document = json.loads(file.read_text())
    ((place, (order,)),) = (
        (k, each["orders"])
        for k, each in enumerate(document["batches"][1]["intervals"])
        if each["start_s"] == NOON_S + 2 * SLOT_S
    )
    assert order["curtailed_wh"] > 0
    losses = [line["item"] for line in document["bill"]["lines"]].index("losses")
    for what, path in {
        "the energy that was shed": ("batches", 1, "intervals", place, "orders", 0, "curtailed_wh"),
        "the stated price of the island": ("batches", 1, "rounds", 0, "island", "balancing_price_micro_per_kwh"),
        "the share of losses": ("bill", "lines", losses, "amount_nano"),
    }.items():
        wrong = altered(file, path)
        assert verified(wrong, tmp_path).exit_code == 1, what
        assert verified_by_stranger(wrong, corrected.access.embedded).returncode == 1, what
