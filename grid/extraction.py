"""From a pandapower network to plain arrays, with pandapower's own admittances, taps and switches.

One power flow without injections builds every matrix; they are read from where pandapower keeps them. The transformer
model and the handling of taps and switches are therefore pandapower's own, not a copy of them. This module imports
pandapower; nothing that only solves has to.
"""

import copy

import numpy as np
import pandapower
from numpy.typing import NDArray
from pandapower.auxiliary import LoadflowNotConverged, pandapowerNet
from pandapower.pypower.idx_brch import F_BUS, T_BUS
from pandapower.pypower.idx_bus import BASE_KV
from scipy import sparse

from grid.arrays import BranchArrays, IntArray, NetworkArrays
from grid.feeder import NetworkError, bus_names, element_name
from grid.limits import FloatArray
from grid.soundness import INJECTION_TABLES

NO_SOLUTION = (
    "the network has no power-flow solution even without loads: check impedances, lengths, transformers and that "
    "external grids do not work against each other"
)
LOWEST_NO_LOAD_PU = 0.5
"""Newton's method can end at a state that no grid is in, with voltages near zero."""


def without_injections(net: pandapowerNet) -> pandapowerNet:
    """A copy of the network with no load, generator or storage: injections handed in later are everything."""
    bare = copy.deepcopy(net)
    for table in INJECTION_TABLES:
        bare[table] = bare[table].iloc[0:0]
    return bare


def extract(net: pandapowerNet) -> NetworkArrays:
    """Arrays of a sound network. Raises NetworkError if it has no solution even without injections."""
    bare = without_injections(net)
    try:
        pandapower.runpp(bare, numba=False)
    except LoadflowNotConverged as failure:
        raise NetworkError(NO_SOLUTION) from failure
    except Exception as failure:  # of what a file can hold, pandapower tells some only by an error inside
        raise NetworkError(f"pandapower cannot solve the network ({type(failure).__name__}: {failure})") from failure
    internal = bare._ppc["internal"]  # noqa: SLF001 (pandapower's documented place of its matrices)
    voltage = np.asarray(internal["V"], dtype=np.complex128)
    if not (np.abs(voltage) > LOWEST_NO_LOAD_PU).all():
        raise NetworkError(NO_SOLUTION)
    lookup = bare._pd2ppc_lookups["bus"]  # noqa: SLF001 (the only map from buses to nodes)
    supplied = [int(bus) for bus in sorted(bare.bus.index) if 0 <= lookup[bus] < voltage.size]
    names = bus_names(bare)
    return NetworkArrays(
        base_mva=float(internal["baseMVA"]),
        bus_ids=np.array(supplied, dtype=np.int64),
        bus_names=tuple(names[bus] for bus in supplied),
        bus_members=_members(bare, supplied),
        bus_vn_kv=bare.bus.vn_kv.loc[supplied].to_numpy(dtype=np.float64),
        bus_node=np.asarray(lookup[supplied], dtype=np.int64),
        admittance=_with_diagonal(internal["Ybus"]),
        slack_nodes=np.asarray(internal["ref"], dtype=np.int64),
        no_load_voltage=voltage,
        lines=_lines(bare),
        trafos=_trafos(bare),
    )


def _members(net: pandapowerNet, buses: list[int]) -> tuple[str, ...]:
    if "members" not in net.bus:
        return ("",) * len(buses)
    return tuple(text if isinstance(text, str) else "" for text in net.bus.members.loc[buses])


def _lines(net: pandapowerNet) -> BranchArrays:
    table = net.line
    limit_ka = (table.max_i_ka * table.df * table.parallel).to_numpy(dtype=np.float64)
    return _branches(net, "line", from_limit_ka=limit_ka, to_limit_ka=limit_ka)


def _trafos(net: pandapowerNet) -> BranchArrays:
    table = net.trafo
    rated = (table.sn_mva * table.df * table.parallel / np.sqrt(3.0)).to_numpy(dtype=np.float64)
    hv_kv, lv_kv = table.vn_hv_kv.to_numpy(dtype=np.float64), table.vn_lv_kv.to_numpy(dtype=np.float64)
    return _branches(net, "trafo", from_limit_ka=rated / hv_kv, to_limit_ka=rated / lv_kv)


def _branches(net: pandapowerNet, table: str, *, from_limit_ka: FloatArray, to_limit_ka: FloatArray) -> BranchArrays:
    """Rows of one branch table; what is out of service keeps its place with zero admittance and zero loading."""
    internal = net._ppc["internal"]  # noqa: SLF001 (as above)
    start, end = net._pd2ppc_lookups["branch"].get(table, (0, 0))  # noqa: SLF001 (as above)
    in_service = np.asarray(internal["branch_is"], dtype=bool)
    row_of = np.where(in_service, np.cumsum(in_service) - 1, -1)[start:end]
    branch = np.asarray(internal["branch"]).real
    base_kv = np.asarray(internal["bus"])[:, BASE_KV].real

    def side(
        column: int, matrix: sparse.csr_matrix, limit_ka: FloatArray
    ) -> tuple[IntArray, sparse.csr_matrix, FloatArray]:
        node = np.where(row_of >= 0, branch[row_of, column].astype(np.int64), -1)
        current_base_ka = internal["baseMVA"] / (np.sqrt(3.0) * base_kv[node])
        percent = np.where(row_of >= 0, 100.0 * current_base_ka / limit_ka, 0.0)
        return node, _rows(matrix, row_of), percent

    from_node, from_admittance, from_percent = side(F_BUS, internal["Yf"], from_limit_ka)
    to_node, to_admittance, to_percent = side(T_BUS, internal["Yt"], to_limit_ka)
    return BranchArrays(
        ids=np.asarray(net[table].index, dtype=np.int64),
        names=tuple(element_name(table, index, name) for index, name in net[table].name.items()),
        from_admittance=from_admittance,
        to_admittance=to_admittance,
        from_percent=from_percent,
        to_percent=to_percent,
        from_node=from_node,
        to_node=to_node,
    )


def _rows(matrix: sparse.csr_matrix, row_of: NDArray[np.int64]) -> sparse.csr_matrix:
    """The chosen rows; -1 gives an empty row."""
    count = row_of.size
    present = np.flatnonzero(row_of >= 0)
    pick = sparse.csr_matrix((np.ones(present.size), (present, row_of[present])), shape=(count, matrix.shape[0]))
    return sparse.csr_matrix(pick @ sparse.csr_matrix(matrix))


def _with_diagonal(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same matrix with every diagonal entry stored, in sorted order: the Jacobian's layout needs both."""
    source = sparse.coo_matrix(matrix)
    count = source.shape[0]
    diagonal = np.arange(count)
    data = np.concatenate([source.data, np.zeros(count, dtype=np.complex128)])
    row, column = np.concatenate([source.row, diagonal]), np.concatenate([source.col, diagonal])
    full = sparse.coo_matrix((data, (row, column)), shape=source.shape).tocsr()
    full.sort_indices()
    return full
