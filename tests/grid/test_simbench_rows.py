"""Few rows of the profiles are those rows of the whole year, and nothing else of the network is different."""

import numpy as np
import pytest
import simbench
from pandapower.toolbox import nets_equal

from grid.simbench_rows import simbench_network

CODE = "1-LV-rural1--0-sw"
ROWS = [35_135, 0, 13_999]


def test_the_network_is_the_whole_one_with_these_rows_in_this_order() -> None:
    whole, short = simbench.get_simbench_net(CODE), simbench_network(CODE, ROWS)
    profiles = whole.pop("profiles"), short.pop("profiles")
    assert nets_equal(whole, short)
    assert profiles[0].keys() == profiles[1].keys()
    for name, year in profiles[0].items():
        chosen = year.iloc[ROWS if len(year) else []]
        assert np.array_equal(chosen.drop(columns="time"), profiles[1][name].drop(columns="time"))


def test_a_row_beyond_the_year_is_refused() -> None:
    with pytest.raises(IndexError, match="no row 35136"):
        simbench_network(CODE, [35_136])
