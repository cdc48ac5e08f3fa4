"""Builds the neighbourhood and leaves: `python -m app.demo.make_world JSON`. Also fills the cache of the network."""

import json
import logging
import sys
import warnings
from datetime import date
from pathlib import Path

from app.demo.founding import TIMEZONE
from app.demo.neighbourhood import NeighbourhoodError, build_neighbourhood, with_unit
from grid.feeder import NetworkError
from grid.network import load_network, open_network


def make(asked: dict[str, object]) -> None:
    """Write the neighbourhood that is asked for. Raises NeighbourhoodError or NetworkError."""
    network = str(asked["network"])
    households = asked["households"]
    world = build_neighbourhood(
        network,
        date.fromisoformat(str(asked["day"])),
        timezone=TIMEZONE,
        days_before=int(str(asked["days_before"])),
        households=None if households is None else int(str(households)),
        seed=str(asked["seed"]),
    )
    opened = open_network(network)
    if asked["islanded"]:
        bus = busbar_of(network)
        island = opened.islanded(bus)
        if not {home.bus for home in world.homes} <= set(island.buses):
            raise NeighbourhoodError(f"network {network!r} has homes behind several transformers: an island needs one")
        world = with_unit(world, bus)
    draft = Path(str(asked["out"])).with_suffix(".draft.npz")
    world.save(draft)
    draft.replace(str(asked["out"]))


def busbar_of(network: str) -> int:
    """The low-voltage side of the transformer, where the battery of an island stands. Raises NeighbourhoodError."""
    net = load_network(network)
    low = [int(bus) for bus in net.trafo.lv_bus if net.bus.vn_kv.at[bus] < 1]
    if not low:
        raise NeighbourhoodError(f"network {network!r} has no transformer to low voltage that could be opened")
    return low[0]


if __name__ == "__main__":
    # pandas and pandapower warn about their own future on import; none of it concerns whoever runs this.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        make(json.loads(sys.argv[1]))
    except (NeighbourhoodError, NetworkError) as error:
        sys.exit(str(error))
