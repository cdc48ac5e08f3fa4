"""Which feeder a bus is on: the lines that leave a transformer's busbar each start one."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from grid.arrays import NetworkArrays


def feeder_names(arrays: NetworkArrays) -> tuple[str, ...]:
    """[n_bus] name of each bus's feeder, that of its bus with the lowest index; empty for busbars.

    A feeder is what lines connect when the busbars are taken away: the nodes on the lower side of every transformer and
    those of an external grid. A ring that is closed on two feeders makes them one.
    """
    count = arrays.node_count
    busbars = np.zeros(count, dtype=np.bool_)
    busbars[arrays.slack_nodes] = True
    busbars[arrays.trafos.to_node[arrays.trafos.to_node >= 0]] = True
    start, end = arrays.lines.from_node, arrays.lines.to_node
    joins = (start >= 0) & (end >= 0)
    joins[joins] = ~busbars[start[joins]] & ~busbars[end[joins]]
    edges = sparse.coo_matrix((np.ones(int(joins.sum())), (start[joins], end[joins])), shape=(count, count))
    _, part_of_node = connected_components(edges, directed=False)
    part = np.where(busbars[arrays.bus_node], -1, part_of_node[arrays.bus_node])
    _, first, of_bus = np.unique(part, return_index=True, return_inverse=True)
    names = ["" if part[at] < 0 else arrays.bus_names[at] for at in first.tolist()]
    return tuple(names[number] for number in of_bus.reshape(-1).tolist())
