"""A year in a SimBench network: what its loads, generators and storages do in every quarter-hour of 2016.

S. Meinecke et al., "SimBench: A Benchmark Dataset of Electric Power Systems to Compare Innovative Solutions Based on
Power Flow Analysis", Energies 13 (12), 3290, 2020. Only the profiles that a network uses are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grid.arrays import IntArray
from grid.feeder import NetworkError
from grid.limits import FloatArray
from grid.network import load_network
from grid.sources import SourceKind, parse_source

if TYPE_CHECKING:
    import pandas as pd

STEPS_A_YEAR = 366 * 96
FIRST_START = np.datetime64("2016-01-01T00:00")  # local time without daylight saving, UTC+1
SOLAR_PREFIX = "PV"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Devices:
    """Devices of one kind in one network; all powers + into the grid.

    bus, profile          [n_device] index in the bus table, and the name of the profile it follows
    rated_w, rated_var    [n_device] power where the profile is 1
    shape_w, shape_var    [n_step, n_shape] the profiles, and [n_device] in `shape` which column is whose
    """

    bus: IntArray
    profile: tuple[str, ...]
    rated_w: FloatArray
    rated_var: FloatArray
    shape: IntArray
    shape_w: FloatArray
    shape_var: FloatArray

    def watts(self, steps: slice | IntArray) -> FloatArray:
        """[n, n_device] active power in the chosen quarter-hours."""
        power: FloatArray = self.shape_w[steps][:, self.shape] * self.rated_w
        return power

    def vars(self, steps: slice | IntArray) -> FloatArray:
        """[n, n_device] reactive power in the chosen quarter-hours."""
        power: FloatArray = self.shape_var[steps][:, self.shape] * self.rated_var
        return power

    @property
    def is_solar(self) -> NDArray[np.bool_]:
        """[n_device] whether it follows the sun."""
        return np.array([name.startswith(SOLAR_PREFIX) for name in self.profile], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimbenchYear:
    """Everything that flows in one network over the year."""

    loads: Devices
    generators: Devices
    storages: Devices

    def injections(
        self, buses: Sequence[int], steps: slice, *, solar_factor: float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """[n, n_bus] W and var into the grid in these quarter-hours, with the output of all solar multiplied."""
        watts = np.zeros((len(range(STEPS_A_YEAR)[steps]), len(buses)))
        vars_ = np.zeros_like(watts)
        for devices in (self.loads, self.generators, self.storages):
            at = np.searchsorted(buses, devices.bus)
            factor = np.where(devices.is_solar, solar_factor, 1.0)
            member = np.zeros((devices.bus.size, len(buses)))
            member[np.arange(at.size), at] = 1.0
            watts += (devices.watts(steps) * factor) @ member
            vars_ += (devices.vars(steps) * factor) @ member
        return watts, vars_


def simbench_year(spec: str) -> SimbenchYear:
    """The year of the network `simbench:CODE`. Raises NetworkError for another kind of network."""
    import simbench

    source = parse_source(spec)
    if source.kind is not SourceKind.SIMBENCH:
        raise NetworkError(f"{spec} has no profiles of its own: only SimBench's networks have; choose a simbench:CODE")
    net = load_network(spec)
    _, parameters = simbench.get_simbench_code_and_parameters(source.value)
    folder = Path(simbench.complete_data_path(parameters[5]))
    return SimbenchYear(
        loads=_devices(net.load, folder / "LoadProfile.csv", sign=-1.0, active="_pload", reactive="_qload"),
        generators=_devices(net.sgen, folder / "RESProfile.csv", sign=1.0),
        storages=_devices(net.storage, folder / "StorageProfile.csv", sign=-1.0),
    )


def _devices(table: "pd.DataFrame", file: Path, *, sign: float, active: str = "", reactive: str = "") -> Devices:
    """Devices in service of one table of pandapower, which counts loads and storages as taken from the grid."""
    table = table[table.in_service]
    names, shape = np.unique(table.profile.to_numpy(dtype=str), return_inverse=True)
    shapes = _profiles(file, {name + end for name in names for end in (active, reactive)})
    scale = 1e6 * sign * table.scaling.to_numpy(dtype=np.float64)
    return Devices(
        bus=table.bus.to_numpy(dtype=np.int64),
        profile=tuple(table.profile),
        rated_w=scale * table.p_mw.to_numpy(dtype=np.float64),
        rated_var=scale * table.q_mvar.to_numpy(dtype=np.float64),
        shape=shape.astype(np.int64),
        shape_w=shapes[[name + active for name in names]].to_numpy(dtype=np.float64),
        shape_var=shapes[[name + reactive for name in names]].to_numpy(dtype=np.float64),
    )


def _profiles(file: Path, names: set[str]) -> "pd.DataFrame":
    """The named columns. Raises NetworkError where one is not in the file."""
    import pandas as pd

    found = pd.read_csv(file, sep=";", usecols=lambda column: column in names)
    if missing := names - set(found.columns):
        raise NetworkError(f"{file.name} of SimBench has no profile {min(missing)}: choose another network")
    return found
