"""A network cut off from the grid above it, held by one unit of its own. Imports pandapower."""

import copy

import pandapower
from pandapower.auxiliary import pandapowerNet
from pandapower.topology import unsupplied_buses

from grid.feeder import NetworkError, bus_names

HELD_VM_PU = 1.0  # the voltage a grid-forming unit holds at its bus


def islanded(net: pandapowerNet, bus: int) -> pandapowerNet:
    """The network as an island that the unit at `bus` forms: no external grid, and no transformer behind one.

    What is not connected to `bus` then is out of service. Raises NetworkError for a bus that is not in service, and for
    one to which nothing is connected.
    """
    if bus not in net.bus.index or not net.bus.in_service.at[bus]:
        raise NetworkError(f"the grid-forming unit's bus {bus} is not in the network or out of service: give another")
    island = copy.deepcopy(net)
    fed = set(island.ext_grid.bus[island.ext_grid.in_service.astype(bool)])
    island["ext_grid"] = island["ext_grid"].iloc[0:0]
    if bus not in fed:
        behind = island.trafo.hv_bus.isin(fed) | island.trafo.lv_bus.isin(fed)
        island.trafo.loc[behind, "in_service"] = False
    pandapower.create_ext_grid(island, bus, vm_pu=HELD_VM_PU, name=f"grid-forming unit at {bus_names(net)[bus]}")
    dead = unsupplied_buses(island)
    island.bus.loc[list(dead), "in_service"] = False
    if island.bus.in_service.sum() == 1:
        raise NetworkError(
            f"nothing is connected to the grid-forming unit's bus {bus}: name the network with its cables"
        )
    for table, ends in (("line", ("from_bus", "to_bus")), ("trafo", ("hv_bus", "lv_bus"))):
        for end in ends:
            island[table].loc[island[table][end].isin(dead), "in_service"] = False
    return island
