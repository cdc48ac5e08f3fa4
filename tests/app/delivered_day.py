"""A whole day of two homes that share after delivery, lived by the scheduler: metered, shared, settled."""

import json

from sqlalchemy import Engine

from app.agents.histories import Histories
from app.jobs import Scheduler
from app.market_choice import MarketChoice, adopt_choice
from app.market_round import MarketDesk
from app.settlement_run import SettlementDesk, Settles
from app.storage.database import writing
from app.storage.store.community import add_tariff
from app.storage.store.readings import save_substitutes
from contracts.chain import ChainUnreachable
from contracts.ledger import LedgerBatch
from contracts.tariff import Tariff
from meters.interval import DeliveryInterval, IntervalEnergy, Quality
from tests.app.neighbourhood import StandingClock

DAY_START_S = 1_750_024_800  # 2025-06-16 00:00 in Berlin
SLOT_S = 900
SLOTS = 96
TARIFF = Tariff(version="of the Austrian local type")


class AwayLedger:
    """A chain that does not answer: batches stay prepared."""

    def settle(self, batch: LedgerBatch) -> None:
        raise ChainUnreachable(f"batch {batch.sequence} has to wait")


def energies_wh(slot: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(import, export) of anna and of bela in a quarter-hour, counted from the first day's midnight."""
    slot %= SLOTS
    if slot < 24 or slot >= 80:
        return (100, 0), (200, 0)
    return ((0, 100), (250, 0)) if slot < 52 else ((0, 300), (250, 0))


def measured(start_s: int, point: str, import_wh: int, export_wh: int) -> IntervalEnergy:
    return IntervalEnergy(
        metering_point=point,
        interval=DeliveryInterval.at(start_s),
        import_wh=import_wh,
        export_wh=export_wh,
        quality=Quality.MEASURED,
    )


class DeliveredDay:
    """The scheduler of a community and its clock; `live` lets slots of the day pass."""

    def __init__(
        self,
        engine: Engine,
        choice: MarketChoice,
        *,
        period_minutes: int | None = None,
        clock: StandingClock | None = None,
        ledger: Settles | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock or StandingClock(DAY_START_S - 2 * SLOT_S)
        with writing(engine) as connection:
            add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(TARIFF.to_json()))
            adopt_choice(connection, choice, next_s=0)
        self.scheduler = Scheduler(
            market=MarketDesk(
                engine=engine, clock=self.clock, network=None, histories=Histories(engine, minutes=SLOT_S // 60)
            ),
            settlement=SettlementDesk(
                engine=engine,
                clock=self.clock,
                ledger=ledger or AwayLedger(),
                period_minutes=period_minutes,
                anchor_s=DAY_START_S,
            ),
            minutes=SLOT_S // 60,
        )

    def meter(self, slot: int, *, without: frozenset[str] = frozenset()) -> None:
        """The meters tell of a quarter-hour."""
        start_s = DAY_START_S + slot * SLOT_S
        told = [
            measured(start_s, f"mp-{name}", *energy)
            for name, energy in zip(("anna", "bela"), energies_wh(slot), strict=True)
            if name not in without
        ]
        with writing(self.engine) as connection:
            save_substitutes(connection, told, received_s=self.clock.now_s)

    def live(self, slots: int = SLOTS) -> None:
        """Every quarter-hour has its tick, and one more comes after the last."""
        for slot in range(-1, slots + 1):
            self.clock.now_s = DAY_START_S + slot * SLOT_S
            if slot > 0:
                self.meter(slot - 1)
            self.scheduler.tick()

    def deliver(self, slots: range, *, without: frozenset[str] = frozenset(), settle: bool = True) -> None:
        """Some quarter-hours alone: announced, metered, shared, and settled when their day is over."""
        for slot in slots:
            interval = DeliveryInterval.at(DAY_START_S + slot * SLOT_S)
            self.clock.now_s = max(self.clock.now_s, interval.shifted(1).start_s)
            self.scheduler.announce(interval)
            self.meter(slot, without=without)
        if settle:
            self.settle_at(DAY_START_S + (slots[-1] // SLOTS + 1) * SLOTS * SLOT_S)

    def settle_at(self, now_s: int) -> None:
        """Settle what is due at a moment, and open no new round."""
        self.clock.now_s = max(self.clock.now_s, now_s)
        self.scheduler.share()
        self.scheduler.settle()
