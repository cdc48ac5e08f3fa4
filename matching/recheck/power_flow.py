"""A recorded network under given injections, by `pandapower.runpp` with its defaults but for a finer tolerance.

At the default one figures of small networks depend on where Newton's method starts, in their fifth digit.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grid.content import network_digest
from grid.feeder import BusDirectory, NetworkError, bus_names
from grid.limits import FloatArray
from grid.soundness import INJECTION_TABLES
from matching.book import IntArray
from matching.recheck.feeders import feeder_of_bus

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

LOW_VOLTAGE_BELOW_KV = 1.0
TOLERANCE_MVA = 1e-11
NEAR = {"init": "results", "recycle": {"bus_pq": True, "trafo": False, "gen": False}}  # same network, other powers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """One power flow: voltage by bus index, loading by index of line and transformer, as pandapower reports them.

    slack_w  what the grid above, or on an island the grid-forming unit, gives beside the injections
    """

    vm_pu: dict[int, float]
    line_loading: dict[int, float]
    trafo_loading: dict[int, float]
    loss_w: float
    slack_w: float

    def value(self, kind: str, element: int) -> float | None:
        """What a limit of this kind looks at; None if there is no such element in service."""
        by_element = {"line_loading": self.line_loading, "trafo_loading": self.trafo_loading}.get(kind, self.vm_pu)
        return by_element.get(element)


class RecordedNetwork:
    """The network with one injection per bus and nothing else that injects.

    `formed_at` makes it an island: the unit at that bus holds 1 p.u. in the place of the external grid, whose
    transformers are open.
    """

    def __init__(self, net: "pandapowerNet", *, formed_at: int | None = None) -> None:
        import pandapower
        from pandapower.topology import unsupplied_buses

        self.digest = network_digest(net)
        self._net = copy.deepcopy(net)
        for table in INJECTION_TABLES:
            self._net[table] = self._net[table].iloc[0:0]
        if formed_at is not None:
            _cut_off(self._net, formed_at)
        in_service = self._net.bus.index[self._net.bus.in_service.astype(bool)]
        self.buses = sorted(set(map(int, in_service)) - set(map(int, unsupplied_buses(self._net))))
        names = bus_names(self._net)
        self._names = {bus: names[bus] for bus in self.buses}
        self._directory = BusDirectory(self._names)
        pandapower.create_sgens(self._net, self.buses, p_mw=0.0, q_mvar=0.0)
        self.low_voltage = {bus for bus in self.buses if self._net.bus.vn_kv.at[bus] < LOW_VOLTAGE_BELOW_KV}

    def bus_index(self, text: str) -> int:
        """The bus a person means. Raises NetworkError."""
        return self._directory.find(text)

    def feeders(self, buses: IntArray) -> NDArray[np.bytes_]:
        """The feeder of each of these buses as UTF-8; see `feeders.py`."""
        feeders = feeder_of_bus(self._net, self.buses, self._names)
        return np.array([feeders[bus].encode() for bus in buses.tolist()], dtype=np.bytes_)

    def state(self, injection_w: FloatArray, injection_var: FloatArray, *, near: bool = False) -> State | None:
        """The power flow with [n_bus] injections; None where it has no solution. `near`: start from the last one."""
        import pandapower
        from pandapower.auxiliary import LoadflowNotConverged

        net = self._net
        net.sgen["p_mw"], net.sgen["q_mvar"] = injection_w / 1e6, injection_var / 1e6
        try:
            pandapower.runpp(net, numba=False, tolerance_mva=TOLERANCE_MVA, **(NEAR if near else {}))
        except LoadflowNotConverged:
            return None
        loading = [net[table].loading_percent.fillna(0.0).to_dict() for table in ("res_line", "res_trafo")]
        return State(
            vm_pu=net.res_bus.vm_pu.loc[self.buses].to_dict(),
            line_loading=loading[0],
            trafo_loading=loading[1],
            loss_w=1e6 * float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()),
            slack_w=1e6 * float(net.res_ext_grid.p_mw.sum()),
        )


def _cut_off(net: "pandapowerNet", bus: int) -> None:
    """Open the transformers at external grids and let the unit at `bus` hold the voltage. Raises NetworkError."""
    import pandapower

    if bus not in net.bus.index:
        raise NetworkError(f"the grid-forming bus {bus} is not in the network; have the result published again")
    above = [] if bus in net.ext_grid.bus.tolist() else net.ext_grid.bus[net.ext_grid.in_service].tolist()
    for at, trafo in net.trafo.iterrows():
        if trafo.hv_bus in above or trafo.lv_bus in above:
            net.trafo.at[at, "in_service"] = False
    net["ext_grid"] = net["ext_grid"].iloc[0:0]
    pandapower.create_ext_grid(net, bus, vm_pu=1.0)
