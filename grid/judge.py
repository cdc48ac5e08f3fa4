"""The judge of what is published: the same injections in `pandapower.runpp` with its defaults.

Of a network that does not change pandapower may keep the admittances from one power flow to the next ("recycle"); only
the injections are read again. Each power flow starts at the same state, that without injections, so that what is judged
before makes no difference; so near to the solution the default tolerance would be kept before anything is solved, hence
a finer one. Where Newton's method finds no solution from there, pandapower begins anew.
"""

import numpy as np
import pandapower
from pandapower.auxiliary import LoadflowNotConverged, pandapowerNet
from pandapower.pypower.idx_bus import VA, VM

from grid.arrays import NetworkArrays
from grid.extraction import without_injections
from grid.limits import FloatArray, OperatingPoint
from grid.measurement import Limits, violations_of
from grid.power_flow import PowerFlowDiverged

TOLERANCE_MVA = 1e-11
OTHER_POWERS = {"bus_pq": True, "trafo": False, "gen": False}


class Judge:
    """One static generator per bus carries the injections; nothing of the fast solver is used."""

    def __init__(self, net: pandapowerNet, arrays: NetworkArrays) -> None:
        self._arrays = arrays
        self._net = without_injections(net)
        pandapower.create_sgens(self._net, arrays.bus_ids, p_mw=0.0, q_mvar=0.0)
        self._start: FloatArray | None = None

    def point(self, limits: Limits, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        """State by pandapower. Raises PowerFlowDiverged where pandapower finds no solution."""
        net = self._net
        self._solve(np.asarray(injection_w) / 1e6, np.asarray(injection_var) / 1e6)
        vm_pu = net.res_bus.vm_pu.loc[self._arrays.bus_ids].to_numpy(dtype=np.float64)
        line_loading = net.res_line.loading_percent.fillna(0.0).to_numpy(dtype=np.float64)
        trafo_loading = net.res_trafo.loading_percent.fillna(0.0).to_numpy(dtype=np.float64)
        loss_mw = float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
        return OperatingPoint(
            injection_w=np.array(injection_w, dtype=np.float64),
            injection_var=np.array(injection_var, dtype=np.float64),
            vm_pu=vm_pu,
            line_loading_percent=line_loading,
            trafo_loading_percent=trafo_loading,
            violations=violations_of(
                self._arrays, limits, vm_pu=vm_pu, line_loading=line_loading, trafo_loading=trafo_loading
            ),
            loss_w=loss_mw * 1e6,
            iterations=int(net._ppc["iterations"]),  # noqa: SLF001 (the only place pandapower keeps the count)
        )

    def _solve(self, p_mw: FloatArray, q_mvar: FloatArray) -> None:
        """Leave the state in pandapower's result tables."""
        net = self._net
        if self._start is None:
            net.sgen["p_mw"], net.sgen["q_mvar"] = 0.0, 0.0
            pandapower.runpp(net, numba=False, tolerance_mva=TOLERANCE_MVA)
            self._start = net._ppc["bus"][:, [VM, VA]].copy()  # noqa: SLF001 (where pandapower takes its start from)
        net._ppc["bus"][:, [VM, VA]] = self._start  # noqa: SLF001 (as above)
        net.sgen["p_mw"], net.sgen["q_mvar"] = p_mw, q_mvar
        try:
            pandapower.runpp(net, numba=False, recycle=OTHER_POWERS)
        except LoadflowNotConverged:
            self._start = None
            self._solve_anew()

    def _solve_anew(self) -> None:
        try:
            pandapower.runpp(self._net, numba=False)
        except LoadflowNotConverged as failure:
            raise PowerFlowDiverged(
                iterations=int(self._net._ppc["iterations"])  # noqa: SLF001 (the only place pandapower keeps the count)
            ) from failure
