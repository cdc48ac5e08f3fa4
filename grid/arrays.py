"""The electrical network as plain arrays: what the power flow and the sensitivities need, and nothing of pandapower.

A *node* is an electrical point: buses joined by closed switches share one, and a line that is open at one end has one
of its own. Per-unit values use `base_mva` and each node's nominal voltage; the sign of every power is into the grid.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grid.limits import FloatArray

ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchArrays:
    """Lines or transformers, in the order of their pandapower table.

    from_admittance, to_admittance  sparse [n, n_node]: complex current in p.u. at either end = matrix @ voltage
    from_percent, to_percent        [n] loading in percent per p.u. of current magnitude at that end; 0 out of service
    from_node, to_node              [n] node at either end, -1 out of service
    """

    ids: IntArray
    names: tuple[str, ...]
    from_admittance: sparse.csr_matrix
    to_admittance: sparse.csr_matrix
    from_percent: FloatArray
    to_percent: FloatArray
    from_node: IntArray
    to_node: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArrays:
    """One network, ready to solve.

    bus_ids           [n_bus] ascending pandapower indices of the buses in service
    bus_members       what is connected at each bus: ids separated by spaces, mostly empty
    bus_vn_kv         [n_bus] nominal voltage
    bus_node          [n_bus] node of each bus
    admittance        sparse [n_node, n_node], p.u.
    slack_nodes       nodes held at the voltage of an external grid
    no_load_voltage   [n_node] complex p.u., the solution without any injection; where every power flow starts
    """

    base_mva: float
    bus_ids: IntArray
    bus_names: tuple[str, ...]
    bus_members: tuple[str, ...]
    bus_vn_kv: FloatArray
    bus_node: IntArray
    admittance: sparse.csr_matrix
    slack_nodes: IntArray
    no_load_voltage: ComplexArray
    lines: BranchArrays
    trafos: BranchArrays

    @property
    def node_count(self) -> int:
        return int(self.no_load_voltage.size)


def sum_by(place: IntArray, values: ComplexArray, count: int) -> ComplexArray:
    """[count] total of the values at each place."""
    total = np.empty(count, dtype=np.complex128)
    total.real = np.bincount(place, values.real, count)
    total.imag = np.bincount(place, values.imag, count)
    return total


_BRANCH_VECTORS = ("ids", "from_percent", "to_percent", "from_node", "to_node")
_BUS_VECTORS = ("bus_ids", "bus_vn_kv", "bus_node", "slack_nodes", "no_load_voltage")


def save_arrays(arrays: NetworkArrays, path: Path) -> None:
    """Write everything to one .npz file; names travel as JSON text inside it, so nothing needs pickle."""
    columns: dict[str, NDArray[Any]] = {name: getattr(arrays, name) for name in _BUS_VECTORS}
    columns["base_mva"] = np.array([arrays.base_mva])
    columns["bus_names"], columns["bus_members"] = _text(arrays.bus_names), _text(arrays.bus_members)
    _add_matrix(columns, "admittance", arrays.admittance)
    for prefix, branches in (("line", arrays.lines), ("trafo", arrays.trafos)):
        columns |= {f"{prefix}.{name}": getattr(branches, name) for name in _BRANCH_VECTORS}
        columns[f"{prefix}.names"] = _text(branches.names)
        _add_matrix(columns, f"{prefix}.from_admittance", branches.from_admittance)
        _add_matrix(columns, f"{prefix}.to_admittance", branches.to_admittance)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **columns)


def load_arrays(path: Path) -> NetworkArrays:
    """Read what `save_arrays` wrote. Raises OSError, ValueError or KeyError on a damaged file."""
    with np.load(path, allow_pickle=False) as stored:
        columns = dict(stored)
    node_count = columns["no_load_voltage"].size
    return NetworkArrays(
        base_mva=float(columns["base_mva"][0]),
        bus_names=_names(columns["bus_names"]),
        bus_members=_names(columns["bus_members"]),
        admittance=_matrix(columns, "admittance", node_count),
        lines=_branches(columns, "line", node_count),
        trafos=_branches(columns, "trafo", node_count),
        **{name: columns[name] for name in _BUS_VECTORS},
    )


def _branches(columns: dict[str, NDArray[Any]], prefix: str, node_count: int) -> BranchArrays:
    return BranchArrays(
        names=_names(columns[f"{prefix}.names"]),
        from_admittance=_matrix(columns, f"{prefix}.from_admittance", node_count),
        to_admittance=_matrix(columns, f"{prefix}.to_admittance", node_count),
        **{name: columns[f"{prefix}.{name}"] for name in _BRANCH_VECTORS},
    )


def _add_matrix(columns: dict[str, NDArray[Any]], name: str, matrix: sparse.csr_matrix) -> None:
    columns[f"{name}.data"] = matrix.data
    columns[f"{name}.indices"] = matrix.indices
    columns[f"{name}.indptr"] = matrix.indptr


def _matrix(columns: dict[str, NDArray[Any]], name: str, column_count: int) -> sparse.csr_matrix:
    indptr = columns[f"{name}.indptr"]
    shape = (indptr.size - 1, column_count)
    return sparse.csr_matrix((columns[f"{name}.data"], columns[f"{name}.indices"], indptr), shape=shape)


def _text(names: tuple[str, ...]) -> NDArray[Any]:
    return np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)


def _names(encoded: NDArray[Any]) -> tuple[str, ...]:
    return tuple(json.loads(encoded.tobytes().decode()))
