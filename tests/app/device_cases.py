"""Random devices for the planner's tests."""

import hypothesis.strategies as st

from app.agents.reservoir import Reservoir

Case = tuple[Reservoir, list[int], int]
"""A device, expected prices, and what is in it, mWh."""


@st.composite
def devices(draw: st.DrawFn, *, steps: int, wh: int, efficiencies: tuple[int, ...], prices: int) -> Case:
    """A battery, or something that needs energy, over `steps` intervals, in quantities of up to `wh` Wh an interval."""
    per_wh = draw(st.sampled_from(efficiencies))
    energies = st.lists(st.integers(0, wh), min_size=steps, max_size=steps)
    charge, expected = draw(energies), draw(st.lists(st.integers(0, prices), min_size=steps, max_size=steps))
    if draw(st.booleans()):
        discharge, room = draw(energies), draw(st.integers(0, 2 * wh))
        least, most, end_slope = [0] * steps, [room] * steps, draw(st.integers(0, prices)) * per_wh
    else:
        most = sorted(draw(st.lists(st.integers(0, 2 * wh), min_size=steps, max_size=steps)))
        least = [draw(st.integers(0, each)) for each in most]
        discharge, end_slope = [0] * steps, draw(st.integers(0, prices)) * 1000
    reservoir = Reservoir(
        charge_wh=tuple(charge),
        discharge_wh=tuple(discharge),
        least_mwh=tuple(each * 1000 for each in least),
        most_mwh=tuple(each * 1000 for each in most),
        efficiency_permille=per_wh,
        end_slope=end_slope,
    )
    return reservoir, expected, draw(st.integers(0, most[0])) * 1000
