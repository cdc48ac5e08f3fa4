"""A network with its limits: the grid's side of the market's single question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grid.arrays import ComplexArray, IntArray, NetworkArrays, sum_by
from grid.feeder import BusDirectory, NetworkError, drawing
from grid.feeders import feeder_names
from grid.limits import FloatArray, LimitRow, OperatingPoint, Violation
from grid.measurement import Limits, operating_point, quantity_of
from grid.power_flow import PowerFlow, PowerFlowDiverged
from grid.sensitivities import active_power_sensitivities
from grid.store import StoredNetwork, fetch
from grid.three_phase import PhaseCheck, phase_violations

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

    from grid.judge import Judge


class GridNetwork:
    """Implements `grid.limits.NetworkLimits` for one pandapower network.

    Loads, generators and storages of the network are ignored: the injections handed in are everything. Voltage limits
    apply to buses under 1 kV.
    """

    def __init__(
        self,
        net: "pandapowerNet | StoredNetwork",
        *,
        v_min_pu: float = 0.9,
        v_max_pu: float = 1.1,
        max_loading_percent: float = 100.0,
    ) -> None:
        self._net = net
        self.arrays: NetworkArrays = net.arrays() if isinstance(net, StoredNetwork) else _arrays_of(net)
        self.limits = Limits(v_min_pu=v_min_pu, v_max_pu=v_max_pu, max_loading_percent=max_loading_percent)
        self.buses: tuple[int, ...] = tuple(int(bus) for bus in self.arrays.bus_ids)
        self._directory = BusDirectory(dict(zip(self.buses, self.arrays.bus_names, strict=True)))
        self._power_flow = PowerFlow(self.arrays)
        self._last: tuple[bytes, ComplexArray, int] | None = None
        self._judge: Judge | None = None
        self._net_loaded: pandapowerNet | None = None

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        """Full AC power flow. Raises `grid.power_flow.PowerFlowDiverged` if there is no solution."""
        voltage, iterations = self._voltage(injection_w, injection_var)
        return operating_point(
            self.arrays,
            self.limits,
            voltage,
            injection_w=injection_w,
            injection_var=injection_var,
            iterations=iterations,
        )

    def linearise(self, point: OperatingPoint, violations: tuple[Violation, ...]) -> tuple[LimitRow, ...]:
        """Rows of the given limits at `point` (a limit need not be violated there)."""
        if not violations:
            return ()
        voltage, _ = self._voltage(point.injection_w, point.injection_var)
        quantities = [quantity_of(self.arrays, voltage, violation) for violation in violations]
        per_node = active_power_sensitivities(
            factors=self._power_flow.factorise(voltage),
            voltage=voltage,
            free_nodes=self._power_flow.free_nodes,
            quantities=[quantity.magnitude for quantity in quantities],
        )
        per_bus_w = per_node[:, self.arrays.bus_node] / (self.arrays.base_mva * 1e6)
        return tuple(
            LimitRow(
                kind=violation.kind,
                element=violation.element,
                name=violation.name,
                limit=quantity.sign * violation.limit,
                value=quantity.sign * quantity.value,
                sensitivity_per_w=quantity.sign * row,
            )
            for violation, quantity, row in zip(violations, quantities, per_bus_w, strict=True)
        )

    def judge(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        """The same state by `pandapower.runpp` with its defaults: the judge of what is published."""
        if self._judge is None:
            from grid.judge import Judge

            self._judge = Judge(self._pandapower(), self.arrays)
        return self._judge.point(self.limits, injection_w, injection_var)

    def check_phases(
        self,
        *,
        point_bus: Sequence[int],
        point_phase: Sequence[str],
        injection_w: FloatArray,
        injection_var: FloatArray,
    ) -> PhaseCheck:
        """Single phases in the same state, as `grid.three_phase.phase_violations`; why not, where that cannot be."""
        try:
            violations = phase_violations(
                self._pandapower(),
                self.limits,
                point_bus=point_bus,
                point_phase=point_phase,
                injection_w=injection_w,
                injection_var=injection_var,
            )
        except NetworkError as failure:
            return PhaseCheck(not_checked=str(failure))
        except PowerFlowDiverged:
            return PhaseCheck(not_checked="the power flow of single phases has no solution", diverged=True)
        return PhaseCheck(violations=violations)

    def _pandapower(self) -> "pandapowerNet":
        if isinstance(self._net, StoredNetwork):
            self._net_loaded = self._net_loaded or self._net.load()
            return self._net_loaded
        return self._net

    def islanded(self, bus: int) -> "GridNetwork":
        """The same network cut off from the grid above it, formed by the unit at `bus`; see `grid.islanding`.

        Raises NetworkError. Imports pandapower.
        """
        from grid.islanding import islanded

        return GridNetwork(
            islanded(self._pandapower(), bus),
            v_min_pu=self.limits.v_min_pu,
            v_max_pu=self.limits.v_max_pu,
            max_loading_percent=self.limits.max_loading_percent,
        )

    @property
    def safety_note(self) -> str | None:
        """What a reader of results must know about this network, if anything."""
        return self._net.source.safety_note if isinstance(self._net, StoredNetwork) else None

    @property
    def stored(self) -> StoredNetwork | None:
        """Where this network is kept on disk, if it came from there."""
        return self._net if isinstance(self._net, StoredNetwork) else None

    def bus_index(self, text: str) -> int:
        """The bus a person means: all digits is an index, anything else a unique name. Raises NetworkError."""
        return self._directory.find(text)

    def member_buses(self) -> dict[str, int]:
        """Bus of each metering point the network itself knows: column `members` of cables.csv or of the bus table."""
        connected = zip(self.buses, self.arrays.bus_members, strict=True)
        return {member: bus for bus, members in connected for member in members.split()}

    def feeders(self, buses: IntArray) -> NDArray[np.bytes_]:
        """The feeder of each bus as UTF-8; see `grid.feeders`."""
        names = np.array([name.encode() for name in feeder_names(self.arrays)], dtype=np.bytes_)
        return names[np.searchsorted(self.arrays.bus_ids, buses)]

    def drawing(self) -> dict[str, Any]:
        """As `grid.feeder.drawing`, and each bus with its `feeder` (see `grid.feeders`)."""
        drawn = self._net.drawing() if isinstance(self._net, StoredNetwork) else drawing(self._net)
        feeders = dict(zip(self.buses, feeder_names(self.arrays), strict=True))
        return drawn | {"buses": [bus | {"feeder": feeders[bus["id"]]} for bus in drawn["buses"]]}

    def state_by_id(self, point: OperatingPoint) -> dict[str, dict[str, float]]:
        """The point as JSON: `vm_pu`, `line_loading_percent`, `trafo_loading_percent`, each by the element's id."""
        return {
            "vm_pu": _by_id(self.arrays.bus_ids, point.vm_pu, 6),
            "line_loading_percent": _by_id(self.arrays.lines.ids, point.line_loading_percent, 4),
            "trafo_loading_percent": _by_id(self.arrays.trafos.ids, point.trafo_loading_percent, 4),
        }

    def _voltage(self, injection_w: FloatArray, injection_var: FloatArray) -> tuple[ComplexArray, int]:
        """Voltages for these injections; the last ones are kept because `linearise` follows `solve`."""
        injection = np.asarray(injection_w, dtype=np.float64) + 1j * np.asarray(injection_var, dtype=np.float64)
        if injection.shape != (len(self.buses),) or not np.isfinite(injection).all():
            raise ValueError(f"injections must be {len(self.buses)} finite values, one for each bus")
        key = injection.tobytes()
        if self._last is not None and self._last[0] == key:
            return self._last[1], self._last[2]
        per_node = sum_by(self.arrays.bus_node, injection, self.arrays.node_count)
        solution = self._power_flow.solve(per_node / 1e6)
        self._last = (key, solution.voltage, solution.iterations)
        return solution.voltage, solution.iterations


def load_network(spec: str) -> "pandapowerNet":
    """The pandapower network of `simbench:CODE`, `FILE.json`, a DIRECTORY of two tables, or `transformer:KVA`.

    It is sound (`grid.soundness`), its taps count, and SimBench's profiles are left out. Raises NetworkError, which
    names the file or element and the remedy. Imports pandapower; to solve only, `open_network` does not need to.
    """
    return fetch(spec).load()


def open_network(
    spec: str, *, v_min_pu: float = 0.9, v_max_pu: float = 1.1, max_loading_percent: float = 100.0
) -> GridNetwork:
    """The network of a specification (see `load_network`), ready to solve; pandapower is imported only to judge."""
    return GridNetwork(fetch(spec), v_min_pu=v_min_pu, v_max_pu=v_max_pu, max_loading_percent=max_loading_percent)


def _arrays_of(net: "pandapowerNet") -> NetworkArrays:
    from grid.extraction import extract
    from grid.soundness import require_sound

    require_sound(net)
    return extract(net)


def _by_id(ids: IntArray, values: FloatArray, digits: int) -> dict[str, float]:
    return {str(key): round(value, digits) for key, value in zip(ids.tolist(), values.tolist(), strict=True)}
