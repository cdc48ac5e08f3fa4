"""Simulated sites as the meter process serves them: registers now, set-points that stick, nothing forgotten.

Whenever a set-point changes, the site's state at that moment is written to SQLite before the write is answered. After a
restart the state is folded forward again from there, so counters never restart and never differ.
"""

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.demo.neighbourhood import SLOT_S, Home, Neighbourhood
from app.demo.site import Battery, Flow, SetPoints, SiteState, advanced, flow
from app.demo.state import write_whole
from meters.clock import Clock

NOMINAL_VOLTAGE_V = 230.0
OPENING_CHARGE = 0.3
"""Share of the battery's energy stored when the data begins."""


class SiteJournal:
    """The last known state and set-points of every site, durable before a write is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS site (home_id TEXT PRIMARY KEY, at_s REAL, import_mwh INTEGER,"
            " export_mwh INTEGER, stored_wh REAL, export_limit_w REAL, battery_w REAL)"
        )

    def load(self, home_id: str) -> tuple[SiteState, SetPoints] | None:
        """What was saved last for a site, or None."""
        row = self._connection.execute(
            "SELECT at_s, import_mwh, export_mwh, stored_wh, export_limit_w, battery_w FROM site WHERE home_id=?",
            (home_id,),
        ).fetchone()
        if row is None:
            return None
        state = SiteState(at_s=row[0], import_mwh=row[1], export_mwh=row[2], stored_wh=row[3])
        return state, SetPoints(export_limit_w=row[4], battery_w=row[5])

    def save(self, home_id: str, state: SiteState, set_points: SetPoints) -> None:
        """Replace what is known of a site."""
        self._connection.execute(
            "INSERT OR REPLACE INTO site VALUES (?,?,?,?,?,?,?)",
            (
                home_id,
                state.at_s,
                state.import_mwh,
                state.export_mwh,
                state.stored_wh,
                set_points.export_limit_w,
                set_points.battery_w,
            ),
        )

    def close(self) -> None:
        self._connection.close()


class LoadSwitches:
    """What homes may draw where demand is shed, by slot and home: a file that is whole before its slot begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_ns = 0
        self._limits_w: dict[str, dict[str, float]] = {}

    def limit_w(self, home_id: str, start_s: int) -> float:
        """Most that a home may draw in the slot that starts then."""
        if str(start_s) not in self._limits_w and self._path.exists():
            changed_ns = self._path.stat().st_mtime_ns
            if changed_ns != self._read_ns:
                self._limits_w, self._read_ns = json.loads(self._path.read_text()), changed_ns
        return self._limits_w.get(str(start_s), {}).get(home_id, math.inf)

    def switch(self, start_s: int, limits_w: Mapping[str, float]) -> None:
        """Set what holds in one slot."""
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        write_whole(self._path, json.dumps(known | {str(start_s): dict(limits_w)}))


def opening_state(home: Home, at_s: int) -> SiteState:
    """Registers start where a few years of use might have left them, so that nobody mistakes a zero for a value."""
    offset_mwh = 1_000_000 * (1 + home.bus)
    return SiteState(
        at_s=at_s, import_mwh=offset_mwh, export_mwh=offset_mwh // 2, stored_wh=OPENING_CHARGE * home.battery_wh
    )


class SimulatedSite:
    """One home on the shared clock."""

    def __init__(
        self,
        home: Home,
        column: int,
        world: Neighbourhood,
        clock: Clock,
        journal: SiteJournal,
        switches: LoadSwitches | None = None,
    ) -> None:
        self.home = home
        self._switches = switches
        self._column = column
        self._world = world
        self._clock = clock
        self._journal = journal
        self._battery = Battery(power_w=home.battery_w, energy_wh=home.battery_wh)
        saved = journal.load(home.home_id)
        # `_state` is always at a slot boundary or at a change of set-points.
        self._state, self._set_points = saved or (opening_state(home, world.first_start_s), SetPoints())

    def values(self) -> Mapping[str, float]:
        """What the meter and the inverter show at this moment."""
        state, moving = self._now()
        return {
            "energy_import_wh": state.import_mwh / 1000,
            "energy_export_wh": state.export_mwh / 1000,
            "active_power_w": moving.net_w,
            "generation_w": moving.generation_w,
            "rated_w": float(max(self.home.generation_w, self.home.battery_w, self.home.charger_w)),
            "battery_rated_w": float(self.home.battery_w or self.home.charger_w),
            "battery_wh": self._battery.energy_wh,
            "battery_stored_wh": state.stored_wh,
            "voltage_l1_v": NOMINAL_VOLTAGE_V,
            "voltage_l2_v": NOMINAL_VOLTAGE_V,
            "voltage_l3_v": NOMINAL_VOLTAGE_V,
            "current_l1_a": abs(moving.net_w) / 3 / NOMINAL_VOLTAGE_V,
            "current_l2_a": abs(moving.net_w) / 3 / NOMINAL_VOLTAGE_V,
            "current_l3_a": abs(moving.net_w) / 3 / NOMINAL_VOLTAGE_V,
            "frequency_hz": 50.0,
        }

    def registers_mwh(self) -> tuple[int, int]:
        """Import and export registers now, in mWh, before any meter's own rounding."""
        state, _ = self._now()
        return state.import_mwh, state.export_mwh

    def stored_wh(self) -> float:
        """Energy in the battery now."""
        return self._now()[0].stored_wh

    def write(self, quantity: str, watts: float) -> None:
        """Obey a new set-point from now on, NaN releases it; durable when this returns."""
        value = None if math.isnan(watts) else watts
        if quantity == "battery_w":
            wanted = replace(self._set_points, battery_w=value)
        else:
            wanted = replace(self._set_points, export_limit_w=value)
        if wanted == self._set_points:
            return
        self._state, _ = self._now()
        self._set_points = wanted
        self._journal.save(self.home.home_id, self._state, wanted)

    @property
    def set_points(self) -> SetPoints:
        return self._set_points

    def _now(self) -> tuple[SiteState, Flow]:
        """State and powers at the clock's present; folds whole slots into `_state` on the way."""
        now_s = self._clock().timestamp()
        while True:
            slot_end_s = int(self._state.at_s) // SLOT_S * SLOT_S + SLOT_S
            moving = self._flow_to(slot_end_s)
            if now_s < slot_end_s:
                return advanced(self._state, moving, now_s - self._state.at_s), moving
            # The last step of a slot lands exactly on its end, whatever the floating point says.
            self._state = replace(advanced(self._state, moving, slot_end_s - self._state.at_s), at_s=float(slot_end_s))

    def _flow_to(self, slot_end_s: int) -> Flow:
        start_s = int(self._state.at_s) // SLOT_S * SLOT_S
        row = self._world.slot(start_s)
        limit_w = math.inf if self._switches is None else self._switches.limit_w(self.home.home_id, start_s)
        return flow(
            load_w=float(self._world.load_w[row, self._column]),
            generation_w=float(self._world.generation_w[row, self._column]),
            battery=self._battery,
            charger_w=float(self.home.charger_w),
            stored_wh=self._state.stored_wh,
            set_points=self._set_points,
            seconds=slot_end_s - self._state.at_s,
            import_limit_w=limit_w,
        )
