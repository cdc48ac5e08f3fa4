"""The demonstration on a network that has loads and members but no profiles."""

from datetime import date

import numpy as np
import pytest

from app.demo.neighbourhood import DEFAULT_NETWORK, NeighbourhoodError, build_neighbourhood
from grid.network import load_network

DAY = date(2016, 5, 26)


def test_homes_stand_at_the_networks_loads_and_live_like_those_of_the_default_village() -> None:
    here = build_neighbourhood("pandapower:kerber_landnetz_kabel_1", DAY, timezone="Europe/Berlin", days_before=0)
    village = build_neighbourhood(DEFAULT_NETWORK, DAY, timezone="Europe/Berlin", days_before=0)
    assert [home.bus for home in here.homes] == sorted(load_network("pandapower:kerber_landnetz_kabel_1").load.bus)
    assert len(here.homes) == 8
    assert np.array_equal(here.load_w, village.load_w[:, :8])
    assert np.array_equal(here.generation_w, village.generation_w[:, :8])
    assert [home.generation_w for home in here.homes] == [home.generation_w for home in village.homes[:8]]


@pytest.mark.parametrize(
    ("network", "message"),
    [("pandapower:cigre_mv", "has 0 low-voltage buses"), ("transformer:400", "has 0 low-voltage")],
)
def test_a_network_without_low_voltage_loads_has_no_homes(network, message) -> None:
    with pytest.raises(NeighbourhoodError, match=message):
        build_neighbourhood(network, DAY, timezone="Europe/Berlin", days_before=0)
