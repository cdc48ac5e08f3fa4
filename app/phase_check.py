"""A published result looked at phase by phase, where it is known which phase homes are on."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.agents.forecast import Forecast
from app.community import Home
from app.round_inputs import LOAD_REACTIVE_SHARE, flow_w
from grid.network import GridNetwork
from grid.three_phase import ALL_PHASES
from matching.clearing import Clearing
from matching.orders import Firmness, Order, Trade
from matching.result import Status


def with_phases(
    clearing: Clearing,
    network: GridNetwork | None,
    homes: Mapping[str, Home],
    forecasts: Mapping[str, Forecast],
    outcomes: Sequence[tuple[Order, Trade]],
) -> Clearing:
    """The result, no longer green if a single phase passes a limit that the balanced phases keep.

    Who is on no known phase counts on all three. Nothing is looked at where nobody's phase is known, and where the
    result is red anyway.
    """
    placed = [home for home in homes.values() if network is not None and home.point.bus in network.buses]
    if network is None or clearing.status is Status.RED or all(home.point.phase is None for home in placed):
        return clearing
    minutes = clearing.interval_minutes
    injection_w = _injection_w(homes, forecasts, outcomes, minutes)
    drawn_w = [forecasts[home.point.id].import_wh * 60 / minutes for home in placed]
    return clearing.with_phases(
        network.check_phases(
            point_bus=[home.point.bus for home in placed if home.point.bus is not None],
            point_phase=[home.point.phase or ALL_PHASES for home in placed],
            injection_w=np.array([injection_w[home.point.id] for home in placed]),
            injection_var=-LOAD_REACTIVE_SHARE * np.array(drawn_w),
        )
    )


def _injection_w(
    homes: Mapping[str, Home],
    forecasts: Mapping[str, Forecast],
    outcomes: Sequence[tuple[Order, Trade]],
    minutes: int,
) -> Mapping[str, float]:
    """What each metering point injects: its orders as they flow, and where none speaks for its forecast that, too."""
    spoken_for = {order.metering_point for order, _ in outcomes if order.firmness is not Firmness.FLEXIBLE}
    injection_w = {
        point: 0.0 if point in spoken_for else (forecasts[point].export_wh - forecasts[point].import_wh) * 60 / minutes
        for point in homes
    }
    for order, trade in outcomes:
        if order.metering_point in injection_w:
            injection_w[order.metering_point] += flow_w(order, trade, minutes)
    return injection_w
