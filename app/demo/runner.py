"""A day in the life of a community, on one simulated clock for meters, market, settlement and web.

Every quarter-hour the clock moves on; then, in the order in which it would happen: the gate of the next interval closes
and its result is published, gateways write set-points to the inverters, read every meter and deliver the readings.
Each step may be repeated, so a demonstration that was killed goes on where it was.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from eth_utils.crypto import keccak
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.demo.island import IslandDay
from app.demo.meters import MeterProcess, batteries_at
from app.demo.neighbourhood import SLOT_S, FloatArray, Neighbourhood
from app.demo.stage import SignIn, build_world, found, import_history, network_of, open_gateways, settings_of
from app.demo.state import DemoPlan, DemoState, write_whole
from app.errors import InputError
from app.factory import create_app
from app.jobs import Scheduler
from app.ledger_access import LedgerAccess, open_ledger, settler_key
from app.local_gateways import LocalGateways
from app.market_round import MarketDesk, load_solvers
from app.serving import WebServer, listen
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from app.storage.database import open_database
from contracts.evidence import SALT_BYTES
from contracts.rpc import read_only_dispatch
from grid.network import GridNetwork
from meters.clock import SimulatedClock
from meters.interval import DeliveryInterval

DAYS_BEFORE = 14
MINUTES = SLOT_S // 60
DAY_SLOTS = 96
CLOCK_STEP_S = 0.2
METER_VISITS = 5
"""How often the meters are asked before the demonstration gives up: their process may have to be started again."""
IMPORT_LEAD_S = 60
"""The history is delivered this long before the first decision, so that it is known by then."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how far it is, and of how much."""


@dataclass(slots=True)
class Stopwatch:
    """Seconds spent, by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count the time of the block towards `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Demonstration:
    """One demonstration in one state folder; `close` ends everything it started."""

    def __init__(self, state: DemoState, plan: DemoPlan, *, host: str, port: int | None, progress: Progress) -> None:
        self.plan = plan
        self.state = state
        self.stopwatch = Stopwatch()
        self._progress = progress
        state.adopt(plan)
        self.listener = listen(host, port)
        self._closing = contextlib.ExitStack()
        self._meters = MeterProcess(state)
        self.clock: SimulatedClock
        self.world: Neighbourhood
        self.engine: Engine
        self.access: LedgerAccess
        self.network: GridNetwork
        self.island: IslandDay | None
        self.sign_ins: dict[str, SignIn]
        self.web: WebServer
        self._gateways: LocalGateways
        self._scheduler: Scheduler

    @property
    def first_decision_s(self) -> int:
        """When the gate of the first interval closes."""
        return self.plan.first_s - SLOT_S

    @property
    def end_s(self) -> int:
        return self.plan.first_s + self.plan.intervals * SLOT_S

    def open(self) -> None:
        """Build or find everything up to a web application that answers."""
        with self.stopwatch.on("set-up"):
            self._progress("homes and network", 0, 3)
            self.world = build_world(self.state, self.plan, days_before=DAYS_BEFORE)
            began = datetime.fromtimestamp(self.first_decision_s - IMPORT_LEAD_S, UTC)
            self.clock = SimulatedClock(self.state.clock, start=began)
            self.engine = open_database(self.state.database_url)
            self._closing.callback(self.engine.dispose)
            self._progress("members and ledger", 1, 3)
            self.sign_ins = found(self.engine, self.world, self.plan, self.state)
            self.access = open_ledger(
                self.engine,
                chain=self.state.chain,
                key=settler_key(self.state.settler_key, seed=self.plan.seed),
                clock=self.clock,
                lock_path=self.state.settler_lock,
            )
            self._closing.callback(self.access.close)
            self.network = network_of(self.engine, self.plan)
            self.island = IslandDay(self.world, self.network, self.state, self.clock) if self.plan.islanded else None
            self._progress("web application", 2, 3)
            self._serve()
        # While the meters start; not while the homes are built, which needs the memory.
        threading.Thread(target=load_solvers, name="solvers", daemon=True).start()
        with self.stopwatch.on("meters"):
            ports = self._meters.ensure(self.world)
            self._gateways = open_gateways(
                self.engine, self.world, ports, self.state, url=self.web.url, clock=self.clock, plan=self.plan
            )
            self._closing.callback(self._gateways.close)
        self._scheduler = Scheduler(
            market=MarketDesk(
                engine=self.engine,
                clock=self.clock,
                network=self.network,
                histories=Histories(self.engine, minutes=MINUTES),
            ),
            settlement=SettlementDesk(
                engine=self.engine,
                clock=self.clock,
                ledger=self.access.ledger,
                period_minutes=None if self.plan.intervals == DAY_SLOTS else self.plan.intervals * MINUTES,
                anchor_s=self.plan.first_s,
                grace_s=0,
                salt=self._salt,
            ),
            minutes=MINUTES,
        )

    def live(self, speed: float | None) -> None:
        """Play the day; `speed` is simulated over real time, None as fast as the machine can."""
        with self.stopwatch.on("history"):
            self._progress("history", 0, 1)
            import_history(self._gateways, self.world, until_s=self.first_decision_s)
            self._deliver()
        resumed_s = int(self.clock().timestamp())
        for moment_s in range(self.first_decision_s, self.end_s + 1, SLOT_S):
            if moment_s + SLOT_S <= resumed_s:
                continue
            self._progress("day", (moment_s - self.first_decision_s) // SLOT_S, self.plan.intervals + 1)
            self._wait_until(moment_s, speed)
            self._step(moment_s)
        self._progress("settlement", 0, 1)
        with self.stopwatch.on("settlement"):
            self._scheduler.share()
            settle_due_periods(self._settlement)
        with self.stopwatch.on("chain"):
            anchor_batches(self._settlement)
        self._progress("settlement", 1, 1)

    def close(self) -> None:
        """End everything that was started, the meters included."""
        self._closing.close()
        self._meters.close()
        self.listener.close()

    def batteries(self) -> tuple[FloatArray, FloatArray]:
        """Energy in every home's battery at the beginning and at the end of what was played, Wh."""
        opening = json.loads(self.state.opening.read_text())
        closing = batteries_at(self.world, self.clock, self.state)
        return np.array([opening[home.home_id] for home in self.world.homes]), closing

    @property
    def _settlement(self) -> SettlementDesk:
        return self._scheduler.settlement

    def _salt(self, participant: str, sequence: int) -> bytes:
        """Simulated secrets, so that the same seed gives the same blocks."""
        return keccak(f"salt:{self.plan.seed}:{participant}:{sequence}".encode())[:SALT_BYTES]

    def _serve(self) -> None:
        embedded = self.access.embedded
        assert embedded is not None
        app = create_app(
            settings_of(self.state),
            self.engine,
            self.clock,
            chain_rpc=lambda request: read_only_dispatch(embedded, request),
        )
        self.web = WebServer(app, self.listener)
        self.web.start()
        self._closing.callback(self.web.close)

    def _step(self, moment_s: int) -> None:
        """Everything that happens at one boundary."""
        interval = DeliveryInterval.at(moment_s, MINUTES)
        with self.stopwatch.on("market rounds"):
            for ahead, act in ((4, self._scheduler.announce), (1, self._scheduler.close)):
                if self.plan.first_s <= interval.shifted(ahead).start_s < self.end_s:
                    act(interval.shifted(ahead))
        if self.island is not None and moment_s >= self.plan.first_s:
            self.island.follow(moment_s)
        if self.island is not None:
            self.island.switch(self.engine, interval.shifted(1).start_s)
        if moment_s == self.plan.first_s and not self.state.opening.exists():
            stored = batteries_at(self.world, self.clock, self.state)
            by_home = {home.home_id: float(wh) for home, wh in zip(self.world.homes, stored, strict=True)}
            write_whole(self.state.opening, json.dumps(by_home))
        self._visit_meters(interval)
        self._deliver()
        with self.stopwatch.on("market rounds"):
            self._scheduler.share()

    def _visit_meters(self, interval: DeliveryInterval) -> None:
        """Set-points, readings and batteries; all of it again if the meters' process ended meanwhile."""
        failed: list[str] = []
        for _ in range(METER_VISITS):
            self._meters.ensure(self.world)
            serving = self._meters.process_id()
            with self.stopwatch.on("set-points"):
                failed = self._apply_set_points(interval)
            with self.stopwatch.on("meter readings"):
                failed += [why for report in self._gateways.sweep(interval.start) for why in report.failed.values()]
                self._gateways.report_batteries()
            if not failed and self._meters.process_id() == serving:
                return
        raise InputError(f"the simulated meters do not answer: {failed[0] if failed else self.state.meters_log}")

    def _apply_set_points(self, interval: DeliveryInterval) -> list[str]:
        """Write the set-points of an interval; what did not work."""
        reports = self._gateways.apply_set_points(interval)
        if unreachable := [report.error for report in reports if report.error]:
            raise InputError(f"set-points did not reach the gateways: {unreachable[0]}")
        return [why for report in reports for why in report.failed.values()]

    def _deliver(self) -> None:
        with self.stopwatch.on("delivery"):
            for report in self._gateways.upload():
                if report.error or report.refused:
                    reason = report.error or "; ".join(refusal.message for refusal in report.refused[:3])
                    raise InputError(f"readings were not taken: {reason}")

    def _wait_until(self, moment_s: int, speed: float | None) -> None:
        """Let simulated time pass at the wanted speed; a clock that is there already stays."""
        while speed is not None and (left_s := moment_s - self.clock().timestamp()) > 0:
            time.sleep(min(CLOCK_STEP_S, left_s / speed))
            self.clock.set(min(_later(self.clock(), CLOCK_STEP_S * speed), datetime.fromtimestamp(moment_s, UTC)))
        if self.clock().timestamp() < moment_s:
            self.clock.set(datetime.fromtimestamp(moment_s, UTC))


def _later(instant: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() + seconds, UTC)
