"""Power flow of very many states of one network at once, and which of them pass a limit: for screening a year.

With Y the admittances among free nodes, voltages are the fixed point of V = V0 + inverse(Y) conj(S / V), where V0 is
the state without injections. One factorisation serves all states, an iteration is one product of matrices, and near
nominal voltage every iteration gains about a digit. States that have not settled after a few dozen iterations, heavily
loaded or without a solution, are handed to Newton's method (`grid.power_flow`), whose solutions are the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from grid.arrays import BranchArrays, ComplexArray, IntArray, NetworkArrays
from grid.limits import FloatArray, LimitKind
from grid.measurement import (
    LOADING_TOLERANCE_PERCENT,
    LOW_VOLTAGE_BELOW_KV,
    VOLTAGE_TOLERANCE_PU,
    Limits,
)
from grid.power_flow import PowerFlow, PowerFlowDiverged

BLOCK_STATES = 2048
DENSE_NODES_MAX = 1200
ITERATIONS_MAX = 40
SETTLED_PU = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class States:
    """[n_state, ...] in the order of what was asked; rows of states without a solution are nan.

    vm_pu [n_state, n_bus], line_loading_percent [n_state, n_line], trafo_loading_percent [n_state, n_trafo],
    solved [n_state]
    """

    vm_pu: FloatArray
    line_loading_percent: FloatArray
    trafo_loading_percent: FloatArray
    solved: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Screening:
    """Limits passed, one row each, by state and then by kind and element; and the states without a solution.

    state     position among the states that were asked
    kind      of `grid.limits.LimitKind`
    element   bus, line or transformer of the network's tables
    value     p.u. or percent
    unsolved  states whose injections the network cannot carry
    """

    state: IntArray
    kind: tuple[LimitKind, ...]
    element: IntArray
    value: FloatArray
    unsolved: IntArray


class BatchPowerFlow:
    """One network, many states."""

    def __init__(self, arrays: NetworkArrays, limits: Limits) -> None:
        self._arrays, self._limits = arrays, limits
        self._newton = PowerFlow(arrays)
        free = self._newton.free_nodes
        among = sparse.csc_matrix(arrays.admittance[free][:, free])
        self._factors = splu(among)
        dense = free.size <= DENSE_NODES_MAX
        self._impedance = self._factors.solve(np.eye(free.size, dtype=np.complex128)).T.copy() if dense else None
        count = len(arrays.bus_ids)
        pick = sparse.csr_matrix((np.ones(count), (np.arange(count), arrays.bus_node)), (count, arrays.node_count))
        self._bus_to_free = sparse.csc_matrix(pick)[:, free]

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> States:
        """States for injections [n_state, n_bus] in W and var, + into the grid, all in memory at once."""
        injection = np.asarray(injection_w, dtype=np.float64) + 1j * np.asarray(injection_var, dtype=np.float64)
        if injection.ndim != 2 or injection.shape[1] != len(self._arrays.bus_ids) or not np.isfinite(injection).all():
            raise ValueError(f"injections must be finite and [n_state, {len(self._arrays.bus_ids)}]")
        per_bus: ComplexArray = np.asarray(injection / (self._arrays.base_mva * 1e6), dtype=np.complex128)
        voltage, solved = self._voltages(per_bus)
        voltage[~solved] = np.nan
        return States(
            vm_pu=np.abs(voltage[:, self._arrays.bus_node]),
            line_loading_percent=_loadings(self._arrays.lines, voltage),
            trafo_loading_percent=_loadings(self._arrays.trafos, voltage),
            solved=solved,
        )

    def screen(self, injection_w: FloatArray, injection_var: FloatArray) -> Screening:
        """Every limit that any state passes; solved in blocks, so that memory does not grow with their number."""
        starts = range(0, len(injection_w), BLOCK_STATES)
        return self.screen_blocks(
            (injection_w[start : start + BLOCK_STATES], injection_var[start : start + BLOCK_STATES]) for start in starts
        )

    def screen_blocks(self, blocks: Iterable[tuple[FloatArray, FloatArray]]) -> Screening:
        """The same for injections that are made block by block; states are numbered through all of them."""
        found: list[tuple[IntArray, list[LimitKind], IntArray, FloatArray]] = []
        unsolved: list[IntArray] = []
        start = 0
        for injection_w, injection_var in blocks:
            states = self.solve(injection_w, injection_var)
            found += self._passed(states, start)
            unsolved.append(start + np.flatnonzero(~states.solved))
            start += len(injection_w)
        state = np.concatenate([part[0] for part in found] or [np.zeros(0, dtype=np.int64)])
        order = np.argsort(state, kind="stable")
        kinds = [kind for part in found for kind in part[1]]
        return Screening(
            state=state[order],
            kind=tuple(kinds[at] for at in order),
            element=np.concatenate([part[2] for part in found] or [np.zeros(0, dtype=np.int64)])[order],
            value=np.concatenate([part[3] for part in found] or [np.zeros(0)])[order],
            unsolved=np.concatenate(unsolved or [np.zeros(0, dtype=np.int64)]),
        )

    def _voltages(self, per_bus: ComplexArray) -> tuple[ComplexArray, NDArray[np.bool_]]:
        """[n_state, n_node] voltages in p.u. for injections [n_state, n_bus] in p.u., and which have a solution."""
        free = self._newton.free_nodes
        power = per_bus @ self._bus_to_free
        start = self._arrays.no_load_voltage[free]
        voltage = np.tile(start, (len(power), 1))
        open_states = np.arange(len(power))
        with np.errstate(all="ignore"):
            for _ in range(ITERATIONS_MAX):
                before = voltage[open_states]
                after = start + self._times_impedance(np.conj(power[open_states] / before))
                voltage[open_states] = after
                moving = ~(np.abs(after - before).max(axis=1, initial=0.0) < SETTLED_PU)
                open_states = open_states[moving]
                if not open_states.size:
                    break
        full = np.tile(self._arrays.no_load_voltage, (len(power), 1))
        full[:, free] = voltage
        solved = np.ones(len(power), dtype=bool)
        for state in open_states:
            node_power = np.zeros(self._arrays.node_count, dtype=np.complex128)
            node_power[free] = power[state] * self._arrays.base_mva
            try:
                full[state] = self._newton.solve(node_power).voltage
            except PowerFlowDiverged:
                solved[state] = False
        return full, solved

    def _times_impedance(self, current: ComplexArray) -> ComplexArray:
        if self._impedance is not None:
            dense: ComplexArray = current @ self._impedance
            return dense
        solution: ComplexArray = self._factors.solve(np.ascontiguousarray(current.T)).T
        return solution

    def _passed(self, states: States, first: int) -> list[tuple[IntArray, list[LimitKind], IntArray, FloatArray]]:
        limits, arrays = self._limits, self._arrays
        low_voltage = arrays.bus_vn_kv < LOW_VOLTAGE_BELOW_KV
        highest = limits.max_loading_percent + LOADING_TOLERANCE_PERCENT
        volts = states.vm_pu
        questions = (
            (
                LimitKind.VOLTAGE_HIGH,
                arrays.bus_ids,
                volts,
                low_voltage & (volts > limits.v_max_pu + VOLTAGE_TOLERANCE_PU),
            ),
            (
                LimitKind.VOLTAGE_LOW,
                arrays.bus_ids,
                volts,
                low_voltage & (volts < limits.v_min_pu - VOLTAGE_TOLERANCE_PU),
            ),
            (
                LimitKind.LINE_LOADING,
                arrays.lines.ids,
                states.line_loading_percent,
                states.line_loading_percent > highest,
            ),
            (
                LimitKind.TRAFO_LOADING,
                arrays.trafos.ids,
                states.trafo_loading_percent,
                states.trafo_loading_percent > highest,
            ),
        )
        found = []
        for kind, ids, values, passed in questions:
            state, element = np.nonzero(passed)
            found.append((first + state, [kind] * state.size, ids[element], values[state, element]))
        return found


def _loadings(branches: BranchArrays, voltage: ComplexArray) -> FloatArray:
    """[n_state, n_branch] as `grid.measurement.loading_percent`."""
    ends = (
        np.abs(voltage @ admittance.T) * percent
        for admittance, percent in (
            (branches.from_admittance, branches.from_percent),
            (branches.to_admittance, branches.to_percent),
        )
    )
    worse: FloatArray = np.maximum(*ends)
    return worse
