"""Reading a solved network: voltages, loadings, losses, and which limits are passed."""

import math
from dataclasses import dataclass

import numpy as np

from grid.arrays import BranchArrays, ComplexArray, NetworkArrays
from grid.limits import FloatArray, LimitKind, OperatingPoint, Violation
from grid.sensitivities import Magnitude, current_of, voltage_at

VOLTAGE_TOLERANCE_PU = 1e-6
LOADING_TOLERANCE_PERCENT = 1e-4
LOW_VOLTAGE_BELOW_KV = 1.0
LARGEST_FRACTION = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Band for the voltages of buses under 1 kV, and the highest loading of lines and transformers."""

    v_min_pu: float
    v_max_pu: float
    max_loading_percent: float

    def __post_init__(self) -> None:
        if not 0.0 < self.v_min_pu < self.v_max_pu < 2.0:
            raise ValueError(
                f"voltage limits must be 0 < lowest < highest < 2 p.u., not {self.v_min_pu}, {self.v_max_pu}"
            )
        if not 0.0 < self.max_loading_percent < math.inf:
            raise ValueError(f"the highest loading must be a number of percent above 0, not {self.max_loading_percent}")
        if self.max_loading_percent <= LARGEST_FRACTION:
            raise ValueError(
                f"the highest loading is in percent: {self.max_loading_percent} looks like a fraction, give "
                f"{100 * self.max_loading_percent:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedQuantity:
    """What a limit looks at: its value, how to differentiate it, and -1 where the limit is a lower one."""

    value: float
    magnitude: Magnitude
    sign: float


def operating_point(
    arrays: NetworkArrays,
    limits: Limits,
    voltage: ComplexArray,
    *,
    injection_w: FloatArray,
    injection_var: FloatArray,
    iterations: int,
) -> OperatingPoint:
    """Everything the market wants to know about a solved network."""
    vm_pu = np.abs(voltage[arrays.bus_node])
    line_loading = loading_percent(arrays.lines, voltage)
    trafo_loading = loading_percent(arrays.trafos, voltage)
    loss_pu = _loss_pu(arrays.lines, voltage) + _loss_pu(arrays.trafos, voltage)
    return OperatingPoint(
        injection_w=np.array(injection_w, dtype=np.float64),
        injection_var=np.array(injection_var, dtype=np.float64),
        vm_pu=vm_pu,
        line_loading_percent=line_loading,
        trafo_loading_percent=trafo_loading,
        violations=violations_of(arrays, limits, vm_pu=vm_pu, line_loading=line_loading, trafo_loading=trafo_loading),
        loss_w=loss_pu * arrays.base_mva * 1e6,
        iterations=iterations,
    )


def loading_percent(branches: BranchArrays, voltage: ComplexArray) -> FloatArray:
    """The higher of both ends, by current, as pandapower reports it."""
    from_percent = np.abs(branches.from_admittance @ voltage) * branches.from_percent
    to_percent = np.abs(branches.to_admittance @ voltage) * branches.to_percent
    worse: FloatArray = np.maximum(from_percent, to_percent)
    return worse


def violations_of(
    arrays: NetworkArrays, limits: Limits, *, vm_pu: FloatArray, line_loading: FloatArray, trafo_loading: FloatArray
) -> tuple[Violation, ...]:
    """Limits passed by more than the tolerance, worst first by their relative excess."""
    low_voltage = arrays.bus_vn_kv < LOW_VOLTAGE_BELOW_KV
    high = np.flatnonzero(low_voltage & (vm_pu > limits.v_max_pu + VOLTAGE_TOLERANCE_PU))
    low = np.flatnonzero(low_voltage & (vm_pu < limits.v_min_pu - VOLTAGE_TOLERANCE_PU))
    found = [_at_bus(arrays, LimitKind.VOLTAGE_HIGH, limits.v_max_pu, vm_pu, int(bus)) for bus in high]
    found += [_at_bus(arrays, LimitKind.VOLTAGE_LOW, limits.v_min_pu, vm_pu, int(bus)) for bus in low]
    for kind, branches, loading in (
        (LimitKind.LINE_LOADING, arrays.lines, line_loading),
        (LimitKind.TRAFO_LOADING, arrays.trafos, trafo_loading),
    ):
        for at in np.flatnonzero(loading > limits.max_loading_percent + LOADING_TOLERANCE_PERCENT):
            found.append(
                Violation(
                    kind=kind,
                    element=int(branches.ids[at]),
                    name=branches.names[at],
                    limit=limits.max_loading_percent,
                    value=float(loading[at]),
                )
            )
    return tuple(sorted(found, key=lambda violation: (-_relative_excess(violation), violation.kind, violation.element)))


def quantity_of(arrays: NetworkArrays, voltage: ComplexArray, violation: Violation) -> LimitedQuantity:
    """The quantity a limit looks at, at these voltages; of a branch, the end that is loaded more.

    Raises KeyError if the network has no such element in service.
    """
    if violation.kind in {LimitKind.VOLTAGE_HIGH, LimitKind.VOLTAGE_LOW}:
        at = _position(arrays.bus_ids, violation.element, "bus")
        node = int(arrays.bus_node[at])
        sign = 1.0 if violation.kind is LimitKind.VOLTAGE_HIGH else -1.0
        return LimitedQuantity(value=float(abs(voltage[node])), magnitude=voltage_at(node), sign=sign)
    branches = arrays.lines if violation.kind is LimitKind.LINE_LOADING else arrays.trafos
    row = _position(branches.ids, violation.element, violation.kind.value.removesuffix("_loading"))
    ends = (
        current_of(branches.from_admittance, row, float(branches.from_percent[row])),
        current_of(branches.to_admittance, row, float(branches.to_percent[row])),
    )
    values = [end.scale * abs((end.coefficients * voltage[end.nodes]).sum()) for end in ends]
    worse = int(values[1] > values[0])
    return LimitedQuantity(value=float(values[worse]), magnitude=ends[worse], sign=1.0)


def _at_bus(arrays: NetworkArrays, kind: LimitKind, limit: float, vm_pu: FloatArray, at: int) -> Violation:
    return Violation(
        kind=kind, element=int(arrays.bus_ids[at]), name=arrays.bus_names[at], limit=limit, value=float(vm_pu[at])
    )


def _relative_excess(violation: Violation) -> float:
    return abs(violation.value - violation.limit) / violation.limit


def _position(ids: np.ndarray[tuple[int], np.dtype[np.int64]], element: int, what: str) -> int:
    found = np.flatnonzero(ids == element)
    if not found.size:
        raise KeyError(f"the network has no {what} {element}")
    return int(found[0])


def _loss_pu(branches: BranchArrays, voltage: ComplexArray) -> float:
    """Active power that goes in at both ends together."""
    from_power = voltage[branches.from_node] * np.conj(branches.from_admittance @ voltage)
    to_power = voltage[branches.to_node] * np.conj(branches.to_admittance @ voltage)
    return float((from_power + to_power).real.sum())
