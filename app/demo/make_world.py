"""Builds the neighbourhood and leaves: `python -m app.demo.make_world JSON`. Also fills the cache of the network."""

import json
import logging
import sys
import warnings
from datetime import date
from pathlib import Path

from app.demo.founding import TIMEZONE
from app.demo.neighbourhood import NeighbourhoodError, build_neighbourhood
from grid.feeder import NetworkError
from grid.network import open_network


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
    open_network(network)
    draft = Path(str(asked["out"])).with_suffix(".draft.npz")
    world.save(draft)
    draft.replace(str(asked["out"]))


if __name__ == "__main__":
    # pandas and pandapower warn about their own future on import; none of it concerns whoever runs this.
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        make(json.loads(sys.argv[1]))
    except (NeighbourhoodError, NetworkError) as error:
        sys.exit(str(error))
