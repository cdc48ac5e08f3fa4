"""The neighbourhood of the demonstration: homes of a network with a year of quarter-hours of SimBench behind each.

A home is a bus with at least one load; everything at that bus (heat pump, charging point, solar, battery) is behind its
one meter. SimBench profiles are of the leap year 2016; another year's date takes the profile of the same month and day.
A network that is not SimBench's has loads but no profiles: its homes live like those of SimBench's default village.

Source: S. Meinecke et al., "SimBench - A Benchmark Dataset of Electric Power Systems", Energies 13(12), 2020.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from grid.network import load_network, open_network
from grid.simbench_rows import simbench_network

SLOT_S = 900
PROFILE_YEAR = 2016
DEFAULT_NETWORK = "simbench:1-LV-rural3--2-sw"
SUNNY_DAY = date(2016, 5, 26)
DARK_DAY = date(2016, 12, 15)
SOLAR_FACTOR = 2.5
"""The installed solar of the data set times this: the default day then overloads the transformer at noon."""

CONTROLLABLE_FROM_W = 10_000
"""Smaller solar cannot be told anything: its feed-in is firm."""

CHARGER_W = 11_000
CAR_EVERY = 10
"""Of the homes with neither solar nor battery every tenth gets a car beside what is in the data set."""

UNIT_ID = "UNIT"
"""The battery that forms the grid of an island."""

UNIT_POWER_FACTOR = 1.5
"""Power of the unit over the most that all homes together draw or make."""

FloatArray = NDArray[np.float64]


class NeighbourhoodError(ValueError):
    """The demonstration cannot be built from what was asked; the message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One household: where it is connected and what it owns. Powers in W, energies in Wh; `charger_w` of a car."""

    home_id: str
    bus: int
    generation_w: int
    battery_w: int
    battery_wh: int
    charger_w: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Homes and their weather-driven powers, slot by slot.

    load_w, load_var, generation_w  [n_slot, n_home], mean power over each slot, >= 0 (load_var may be negative)
    first_start_s  start of slot 0, seconds since the Unix epoch
    """

    homes: tuple[Home, ...]
    first_start_s: int
    load_w: FloatArray
    load_var: FloatArray
    generation_w: FloatArray

    def slot(self, start_s: int) -> int:
        """Row of the slot that starts at `start_s`. Raises IndexError outside the data."""
        row = (start_s - self.first_start_s) // SLOT_S
        if not 0 <= row < len(self.load_w):
            raise IndexError(f"no profile for {datetime.fromtimestamp(start_s, UTC).isoformat()}")
        return int(row)

    def save(self, path: Path) -> None:
        """Write to one file that `load` reads back."""
        homes = json.dumps([asdict(home) for home in self.homes])
        np.savez(
            path,
            homes=np.array(homes),
            first_start_s=self.first_start_s,
            load_w=self.load_w,
            load_var=self.load_var,
            generation_w=self.generation_w,
        )

    @classmethod
    def load(cls, path: Path) -> "Neighbourhood":
        """Read what `save` wrote."""
        with np.load(path) as data:
            return cls(
                homes=tuple(Home(**home) for home in json.loads(str(data["homes"]))),
                first_start_s=int(data["first_start_s"]),
                load_w=data["load_w"],
                load_var=data["load_var"],
                generation_w=data["generation_w"],
            )


def with_unit(world: Neighbourhood, bus: int) -> Neighbourhood:
    """The homes and a battery at `bus` that can carry them for a day, sun or not."""
    most_w = max(float(world.load_w.sum(axis=1).max()), float(world.generation_w.sum(axis=1).max()))
    unit = Home(
        home_id=UNIT_ID,
        bus=bus,
        generation_w=0,
        battery_w=round(UNIT_POWER_FACTOR * most_w),
        battery_wh=round(24 * float(world.load_w.sum(axis=1).mean())),
    )
    nothing = np.zeros((len(world.load_w), 1))
    return replace(
        world,
        homes=(*world.homes, unit),
        load_w=np.hstack([world.load_w, nothing]),
        load_var=np.hstack([world.load_var, nothing]),
        generation_w=np.hstack([world.generation_w, nothing]),
    )


def local_midnight_s(day: date, timezone: str) -> int:
    """Start of a local day, seconds since the Unix epoch."""
    return int(datetime.combine(day, time(), ZoneInfo(timezone)).timestamp())


def build_neighbourhood(
    network: str,
    day: date,
    *,
    timezone: str,
    days_before: int,
    households: int | None = None,
    solar_factor: float = SOLAR_FACTOR,
    seed: str = "commonwatt",
) -> Neighbourhood:
    """Homes of a network with profiles from `days_before` days before `day` to the end of the day after it.

    With `households`, keeps homes with solar first (half of them at most), the rest by a seeded order.
    """
    first_day = day - timedelta(days=days_before)
    first_s, end_s = local_midnight_s(first_day, timezone), local_midnight_s(day + timedelta(days=2), timezone)
    rows = _profile_rows(first_s, (end_s - first_s) // SLOT_S, timezone)
    prefix, _, code = network.partition(":")
    if prefix == "simbench":
        homes, load_w, load_var, generation_w = _simbench_homes(code, rows, solar_factor)
    else:
        donor = DEFAULT_NETWORK.partition(":")[2]
        homes, load_w, load_var, generation_w = _moved_in(network, *_simbench_homes(donor, rows, solar_factor))
    keep = _chosen(homes, households, seed)
    return Neighbourhood(
        homes=tuple(homes[k] for k in keep),
        first_start_s=first_s,
        load_w=load_w[:, keep],
        load_var=load_var[:, keep],
        generation_w=generation_w[:, keep],
    )


def _profile_rows(first_s: int, count: int, timezone: str) -> NDArray[np.int64]:
    """Row of the SimBench year for each slot: the profiles are in local time without daylight saving (UTC+1)."""
    year_start = datetime(PROFILE_YEAR, 1, 1, tzinfo=UTC) - timedelta(hours=1)
    first = datetime.fromtimestamp(first_s, ZoneInfo(timezone)).astimezone(UTC)
    same_day = first.replace(year=PROFILE_YEAR)
    offset = int((same_day - year_start).total_seconds()) // SLOT_S
    return np.asarray((offset + np.arange(count)) % (366 * 96), dtype=np.int64)


def _simbench_homes(
    code: str, rows: NDArray[np.int64], solar_factor: float
) -> tuple[list[Home], FloatArray, FloatArray, FloatArray]:
    import simbench

    if code not in simbench.collect_all_simbench_codes():
        raise NeighbourhoodError(f"no SimBench network is called {code!r}: see `commonwatt grid list`")
    net = simbench_network(code, rows.tolist())
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    buses = sorted(int(bus) for bus in net.load.bus.unique() if net.bus.vn_kv[bus] < 1)
    if not buses:
        raise NeighbourhoodError(f"SimBench network {code!r} has no low-voltage loads: choose a 1-LV-... network")
    load_w = _per_bus(values[("load", "p_mw")], net.load.bus, buses)
    load_var = _per_bus(values[("load", "q_mvar")], net.load.bus, buses)
    # A SimBench storage of type PV_Storage stands for a battery with its own solar: profile "Storage_PV3_..." names it.
    hybrid_mw = np.column_stack(
        [
            np.asarray(net.profiles["renewables"][profile.split("_")[1]]) * size_mw
            for profile, size_mw in zip(net.storage.profile, net.storage.sn_mva, strict=True)
        ]
        or [np.zeros((len(rows), 0))]
    )
    generation_w = _per_bus(values[("sgen", "p_mw")], net.sgen.bus, buses) * solar_factor
    generation_w += _per_bus(hybrid_mw, net.storage.bus, buses) * solar_factor
    solar = net.sgen.groupby("bus").p_mw.sum() * 1e6
    storage = net.storage.groupby("bus")[["sn_mva", "max_e_mwh"]].sum() * 1e6
    homes = [
        Home(
            home_id=f"H{number:03d}",
            bus=bus,
            generation_w=round((solar.get(bus, 0.0) + storage.sn_mva.get(bus, 0.0)) * solar_factor),
            battery_w=round(storage.sn_mva.get(bus, 0.0)),
            battery_wh=round(storage.max_e_mwh.get(bus, 0.0)),
        )
        for number, bus in enumerate(buses, 1)
    ]
    return _with_cars(homes), load_w, load_var, generation_w


def _with_cars(homes: list[Home]) -> list[Home]:
    plain = [home.home_id for home in homes if not home.generation_w and not home.battery_w]
    with_car = set(plain[::CAR_EVERY])
    return [replace(home, charger_w=CHARGER_W) if home.home_id in with_car else home for home in homes]


def _moved_in(
    network: str, donors: list[Home], load_w: FloatArray, load_var: FloatArray, generation_w: FloatArray
) -> tuple[list[Home], FloatArray, FloatArray, FloatArray]:
    """Homes at the low-voltage loads and members of a network, each living like the next of the donors."""
    net = load_network(network)
    tables = (net.load, net.asymmetric_load)
    buses = {int(bus) for table in tables for bus in table.bus[table.in_service.astype(bool)]}
    buses |= set(open_network(network).member_buses().values())
    places = sorted(bus for bus in buses if net.bus.vn_kv[bus] < 1)
    if len(places) < 2:
        raise NeighbourhoodError(
            f"network {network!r} has {len(places)} low-voltage buses with loads or members: at least two are needed"
        )
    taken = np.arange(len(places)) % len(donors)
    homes = [
        replace(donors[donor], home_id=f"H{number:03d}", bus=bus)
        for number, (bus, donor) in enumerate(zip(places, taken, strict=True), 1)
    ]
    return homes, load_w[:, taken], load_var[:, taken], generation_w[:, taken]


def _per_bus(frame: object, element_bus: object, buses: list[int]) -> FloatArray:
    values = np.asarray(frame, dtype=np.float64) * 1e6
    column = {bus: k for k, bus in enumerate(buses)}
    out = np.zeros((len(values), len(buses)))
    for element, bus in enumerate(np.asarray(element_bus, dtype=np.int64)):
        if int(bus) in column:
            out[:, column[int(bus)]] += values[:, element]
    return out


def _chosen(homes: list[Home], households: int | None, seed: str) -> list[int]:
    if households is None or households == len(homes):
        return list(range(len(homes)))
    if not 2 <= households <= len(homes):
        raise NeighbourhoodError(f"--households {households}: this network has 2 to {len(homes)} homes")

    def order(k: int) -> bytes:
        return hashlib.sha256(f"{seed}:{homes[k].home_id}".encode()).digest()

    solar = sorted((k for k, home in enumerate(homes) if home.generation_w), key=order)[: households // 2]
    others = sorted((k for k in range(len(homes)) if k not in set(solar)), key=order)
    return sorted([*solar, *others[: households - len(solar)]])
