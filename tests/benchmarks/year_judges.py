"""Whether a year's published results keep the network's limits, by programs that had no part in making them."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pgm_network import PgmNetwork
from stressed_year import Stress

from grid.measurement import LOW_VOLTAGE_BELOW_KV
from grid.network import GridNetwork, load_network

VOLTAGE_PU = 1e-4  # what a judge must see beyond a limit to call it passed
LOADING_PERCENT = 0.01
OPENDSS_PERCENT = 0.1  # as far as currents by OpenDSS are those of pandapower: the source there is not quite stiff


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """[n_state] how far the worst voltage (p.u.) and the worst loading (percent) are beyond their limits."""

    volts_pu: np.ndarray
    loading_percent: np.ndarray
    tolerance_percent: float = LOADING_PERCENT

    @property
    def furthest(self) -> np.ndarray:
        """[n_state] the larger of both, as a share."""
        return np.maximum(self.volts_pu, self.loading_percent / 100)

    @property
    def passed(self) -> np.ndarray:
        """[n_state] whether a limit is passed by more than the tolerance; what has no state passes."""
        return ~((self.volts_pu <= VOLTAGE_PU) & (self.loading_percent <= self.tolerance_percent))


class PgmJudge:
    """power-grid-model, for any number of states."""

    def __init__(self, stress: Stress, grid: GridNetwork) -> None:
        self._grid, self._network = grid, PgmNetwork(load_network(stress.spec), grid.buses)

    def verdict(self, watts: np.ndarray, vars_: np.ndarray) -> Verdict:
        """Of injections [n_state, n_bus]."""
        volts, loading = self._network.excess(self._grid.limits, watts, vars_)
        return Verdict(volts_pu=volts, loading_percent=loading)


def seen_by_opendss(stress: Stress, grid: GridNetwork, watts: np.ndarray, vars_: np.ndarray) -> Verdict:
    """Of a few states, by EPRI's OpenDSS; a current counts as beyond its limit by more than the programs differ."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "grid"))
    from opendss_feeder import OpenDssFeeder

    net = load_network(stress.spec)
    feeder, limits = OpenDssFeeder(net), grid.limits
    low = [bus for bus in grid.buses if net.bus.vn_kv[bus] < LOW_VOLTAGE_BELOW_KV]
    rated_a = 1e3 * (net.line.max_i_ka * net.line.df * net.line.parallel)
    volts, loading = [], []
    for watt, var in zip(watts, vars_, strict=True):
        feeder.solve(dict(zip(grid.buses, watt, strict=True)), dict(zip(grid.buses, var, strict=True)))
        vm_pu = np.array([feeder.vm_pu(bus) for bus in low])
        volts.append(max(vm_pu.max() - limits.v_max_pu, limits.v_min_pu - vm_pu.min()))
        lines = [100 * feeder.line_current_a(line).max() / rated_a[line] for line in net.line.index]
        trafos = [feeder.trafo_loading_percent(trafo) for trafo in net.trafo.index]
        loading.append(max(*lines, *trafos) - limits.max_loading_percent)
    return Verdict(volts_pu=np.array(volts), loading_percent=np.array(loading), tolerance_percent=OPENDSS_PERCENT)
