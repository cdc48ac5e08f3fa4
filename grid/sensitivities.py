"""How voltages and loadings move with injected active power: adjoint sensitivities around an operating point.

For a quantity g of the state, dg/dP solves J^T y = dg/d(angle, relative magnitude): one factorisation of the Jacobian
serves all limits, each costs one back-solve. For a current I = y V the gradient of |I| follows from
d|I| = Re(conj(I)/|I| * y dV). Losses are inside: they are part of the power-flow equations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU

from grid.arrays import ComplexArray, IntArray
from grid.limits import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Magnitude:
    """scale * |row @ V|: a node's voltage (row = unit vector) or the current at one end of a branch."""

    nodes: IntArray
    coefficients: ComplexArray
    scale: float


def voltage_at(node: int) -> Magnitude:
    """Voltage magnitude of a node in p.u."""
    return Magnitude(nodes=np.array([node]), coefficients=np.ones(1, dtype=np.complex128), scale=1.0)


def current_of(admittance: sparse.csr_matrix, row: int, scale: float) -> Magnitude:
    """Current of one branch end, scaled (percent of its limit per p.u.)."""
    part = slice(admittance.indptr[row], admittance.indptr[row + 1])
    return Magnitude(nodes=admittance.indices[part].astype(np.int64), coefficients=admittance.data[part], scale=scale)


def active_power_sensitivities(
    *, factors: SuperLU, voltage: ComplexArray, free_nodes: IntArray, quantities: Sequence[Magnitude]
) -> FloatArray:
    """[n_quantity, n_node] change of each quantity per p.u. of active power injected at each node.

    Zero at slack nodes: what is injected there goes straight into the grid above. A current of exactly zero has no
    gradient; its row is zero.
    """
    position = np.full(voltage.size, -1, dtype=np.int64)
    position[free_nodes] = np.arange(free_nodes.size)
    gradients = np.zeros((2 * free_nodes.size, len(quantities)))
    for column, quantity in enumerate(quantities):
        parts = quantity.coefficients * voltage[quantity.nodes]
        total = parts.sum()
        size = abs(total)
        if size == 0.0:
            continue
        slopes = quantity.scale * np.conj(total) / size * parts
        at = position[quantity.nodes]
        known = at >= 0
        np.add.at(gradients[:, column], 2 * at[known], -slopes[known].imag)
        np.add.at(gradients[:, column], 2 * at[known] + 1, slopes[known].real)
    adjoints = factors.solve(gradients, trans="T")
    result = np.zeros((len(quantities), voltage.size))
    result[:, free_nodes] = adjoints[0::2].T
    return result
