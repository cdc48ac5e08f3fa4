"""A day of two homes whose meters sign, with a ledger on a chain: one may be late, and later days carry corrections."""

from pathlib import Path

from app.local_time import LocalMonth
from app.market_choice import MarketChoice, Timing
from app.settlement_calendar import RunCalendar, RunKind
from app.storage.database import open_database
from tests.app.delivered_day import DAY_START_S, SLOT_S, DeliveredDay, energies_wh
from tests.app.neighbourhood import StandingClock, found_community
from tests.app.signed_meters import SignedMeter, ledger_of
from tests.app.test_settlement_runs import BERLIN

JUNE = LocalMonth.parse("2025-06", BERLIN)
SF_S = RunCalendar().due_s(RunKind.SF, JUNE)
KEY = MarketChoice(mechanism="dynamic_key", community_price_micro_per_kwh=150_000, timing=Timing.EX_POST)
AUCTION = MarketChoice(timing=Timing.EX_ANTE)
DAY_SLOTS = range(46, 60)
SILENT_FROM = 52
LATE_WH = 250 * len(range(SILENT_FROM, DAY_SLOTS.stop))


class SignedDay(DeliveredDay):
    """A day whose meters sign, with a ledger on a chain; bela's gateway can lose its connection."""

    def __init__(self, state: Path, choice: MarketChoice) -> None:
        engine, clock = open_database(f"sqlite:///{state / 'community.sqlite'}"), StandingClock(DAY_START_S - 1_800)
        found_community(engine, first_lane=0)
        self.access = ledger_of(engine, state, clock)
        self.meters = {name: SignedMeter(device=f"d-{name}") for name in ("anna", "bela")}
        super().__init__(engine, choice, clock=clock, ledger=self.access.ledger)

    def meter(self, slot: int, *, without: frozenset[str] = frozenset()) -> None:
        for (name, meter), energy in zip(self.meters.items(), energies_wh(slot), strict=True):
            meter.read(DAY_START_S + slot * SLOT_S, *energy)
            if name not in without:
                meter.send(self.engine, self.clock)

    def pass_slots(self, slots: range, *, without: frozenset[str] = frozenset()) -> None:
        """Quarter-hours with their ticks: books close before delivery, meters tell after it."""
        for slot in slots:
            self.clock.now_s = DAY_START_S + (slot - 1) * SLOT_S + 60
            self.scheduler.tick()
            self.clock.now_s = DAY_START_S + (slot + 1) * SLOT_S
            self.meter(slot, without=without)


def silent_afternoon(day: SignedDay) -> None:
    """bela is silent from noon on, and the day is settled without her afternoon."""
    day.pass_slots(range(DAY_SLOTS.start, SILENT_FROM))
    day.pass_slots(range(SILENT_FROM, DAY_SLOTS.stop), without=frozenset({"bela"}))
    day.settle_at(DAY_START_S + 2 * 86_400)


def correct(day: SignedDay) -> None:
    """The gateway sends what it kept, the month is run, and the correction goes to the ledger with the next day."""
    day.meters["bela"].send(day.engine, day.clock)
    pass_next_day(day)


def pass_next_day(day: SignedDay) -> None:
    day.settle_at(SF_S)
    later = (SF_S - DAY_START_S) // SLOT_S + 52
    day.pass_slots(range(later, later + 2))
    day.settle_at(SF_S + 2 * 86_400)
