"""AC power flow by Newton's method in polar form, on arrays.

Unknowns per node are the voltage angle and the *relative* change of its magnitude, so that
dV_k = V_k (j dtheta_k + du_k). With M_ik = V_i conj(Y_ik V_k) and S_i = sum_k M_ik the injected power changes by
dS_i = sum_k M_ik (du_k - j dtheta_k) + S_i (du_i + j dtheta_i): every entry of the Jacobian is an entry of M, on the
pattern of Y, which is laid out once. The result depends on the injections alone (each power flow starts from the
no-load voltages unless told otherwise), so the same market gives the same state in every process.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from grid.arrays import ComplexArray, IntArray, NetworkArrays, sum_by
from grid.limits import FloatArray

TOLERANCE_MVA = 1e-10
MAX_ITERATIONS = 25


class PowerFlowDiverged(Exception):  # noqa: N818 (says what happened; callers catch it by this name)
    """No solution that Newton's method could find: the injections exceed what the grid carries."""

    def __init__(self, *, iterations: int, worst_bus: str | None = None, mismatch_mva: float | None = None) -> None:
        where = "" if worst_bus is None else f" (largest mismatch {mismatch_mva:.3g} MVA at bus {worst_bus})"
        super().__init__(
            f"power flow found no solution in {iterations} iterations{where}: the injections exceed what the network "
            "can carry; check their size and unit (W)"
        )
        self.iterations = iterations
        self.worst_bus = worst_bus
        self.mismatch_mva = mismatch_mva


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFlowSolution:
    """Complex node voltages in p.u. and the Newton steps they took."""

    voltage: ComplexArray
    iterations: int


class PowerFlow:
    """Solves one network again and again. Holds only what never changes: the layout of the Jacobian."""

    def __init__(self, arrays: NetworkArrays) -> None:
        self._arrays = arrays
        self._admittance_conj = arrays.admittance.data.conj()
        pattern = arrays.admittance.tocoo()
        self._row = pattern.row.astype(np.int64)
        self._column = pattern.col.astype(np.int64)
        free = np.ones(arrays.node_count, dtype=bool)
        free[arrays.slack_nodes] = False
        self.free_nodes: IntArray = np.flatnonzero(free).astype(np.int64)
        self._lay_out_jacobian(free)

    def solve(self, injection_mva: ComplexArray, start: ComplexArray | None = None) -> PowerFlowSolution:
        """Node voltages for complex node injections [n_node] in MVA; entries at slack nodes are ignored.

        Raises PowerFlowDiverged.
        """
        wanted = injection_mva[self.free_nodes] / self._arrays.base_mva
        voltage = (self._arrays.no_load_voltage if start is None else start).copy()
        tolerance = TOLERANCE_MVA / self._arrays.base_mva
        mismatch = np.zeros(0, dtype=np.complex128)
        for iteration in range(MAX_ITERATIONS + 1):
            products, power = self._products(voltage)
            mismatch = wanted - power[self.free_nodes]
            largest = float(np.abs(mismatch).max(initial=0.0))
            if largest < tolerance:
                return PowerFlowSolution(voltage=voltage, iterations=iteration)
            if not np.isfinite(largest) or iteration == MAX_ITERATIONS:
                break
            step = self._newton_step(products, power, mismatch)
            if step is None:
                break
            voltage[self.free_nodes] *= step
        raise self._diverged(iteration, mismatch)

    def factorise(self, voltage: ComplexArray) -> SuperLU:
        """LU of the Jacobian d(P, Q)/d(angle, relative magnitude) of the free nodes there, interleaved per node."""
        return splu(self._jacobian(*self._products(voltage)), permc_spec="MMD_AT_PLUS_A", options=_SYMMETRIC)

    def _products(self, voltage: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        products = voltage[self._row] * (self._admittance_conj * voltage.conj()[self._column])
        return products, sum_by(self._row, products, voltage.size)

    def _newton_step(self, products: ComplexArray, power: ComplexArray, mismatch: ComplexArray) -> ComplexArray | None:
        """Factor on each free voltage, or None where the Jacobian is singular."""
        right_side = np.empty(2 * mismatch.size)
        right_side[0::2], right_side[1::2] = mismatch.real, mismatch.imag
        try:
            factors = splu(self._jacobian(products, power), permc_spec="MMD_AT_PLUS_A", options=_SYMMETRIC)
        except RuntimeError:  # SuperLU's way of saying exactly singular
            return None
        change: FloatArray = factors.solve(right_side)
        if not np.isfinite(change).all():
            return None
        factor: ComplexArray = (1.0 + change[1::2]) * np.exp(1j * change[0::2])
        return factor

    def _lay_out_jacobian(self, free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        position = np.full(free.size, -1, dtype=np.int64)
        position[self.free_nodes] = np.arange(self.free_nodes.size)
        self._kept = np.flatnonzero(free[self._row] & free[self._column])
        row, column = position[self._row[self._kept]], position[self._column[self._kept]]
        self._diagonal = np.flatnonzero(row == column)
        self._diagonal_node = self.free_nodes[row[self._diagonal]]
        size = 2 * self.free_nodes.size
        rows = np.concatenate([2 * row, 2 * row, 2 * row + 1, 2 * row + 1])
        columns = np.concatenate([2 * column, 2 * column + 1, 2 * column, 2 * column + 1])
        order = np.lexsort((rows, columns))
        self._order = order
        self._indices = rows[order].astype(np.int32)
        self._indptr = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=size))]).astype(np.int32)
        self._shape = (size, size)

    def _jacobian(self, products: ComplexArray, power: ComplexArray) -> sparse.csc_matrix:
        kept = products[self._kept]
        at, diagonal_power = self._diagonal, power[self._diagonal_node]
        p_by_angle, p_by_size = kept.imag.copy(), kept.real.copy()
        q_by_angle, q_by_size = -kept.real, kept.imag.copy()
        p_by_angle[at] -= diagonal_power.imag
        p_by_size[at] += diagonal_power.real
        q_by_angle[at] += diagonal_power.real
        q_by_size[at] += diagonal_power.imag
        entries = np.concatenate([p_by_angle, p_by_size, q_by_angle, q_by_size])[self._order]
        return sparse.csc_matrix((entries, self._indices, self._indptr), shape=self._shape)

    def _diverged(self, iterations: int, mismatch: ComplexArray) -> PowerFlowDiverged:
        worst = int(np.argmax(np.nan_to_num(np.abs(mismatch), nan=np.inf)))
        buses = np.flatnonzero(self._arrays.bus_node == self.free_nodes[worst])
        name = f"{self._arrays.bus_ids[buses[0]]} {self._arrays.bus_names[buses[0]]}" if buses.size else "(line end)"
        size = float(np.abs(mismatch[worst])) * self._arrays.base_mva
        return PowerFlowDiverged(iterations=iterations, worst_bus=name, mismatch_mva=size)


_SYMMETRIC = {"SymmetricMode": True}
