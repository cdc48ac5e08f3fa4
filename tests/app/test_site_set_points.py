"""From a published result to what each site may feed in."""

import numpy as np

from app.set_points import ControlledPoint, battery_powers_w, decide_set_points
from grid.network import GridNetwork, open_network
from matching.orders import Firmness, Order, Side, Trade

POINTS = (
    ControlledPoint(metering_point="A", bus=0, generation_w=40_000, capability_w=20_000.0),
    ControlledPoint(metering_point="B", bus=0, generation_w=60_000, capability_w=10_000.0),
)


def sold(
    point: str, quantity_wh: int, curtailed_wh: int = 0, firmness: Firmness = Firmness.CURTAILABLE
) -> tuple[Order, Trade]:
    order = Order(
        order_id=f"{point}-{firmness}",
        participant=point,
        metering_point=point,
        side=Side.SELL,
        quantity_wh=quantity_wh,
        limit_micro_per_kwh=0,
        firmness=firmness,
        bus=0,
    )
    accepted_wh = quantity_wh - curtailed_wh
    return order, Trade(
        order_id=order.order_id,
        accepted_wh=accepted_wh,
        curtailed_wh=curtailed_wh,
        price_micro_per_kwh=100_000,
        amount_nano=accepted_wh * 100_000,
    )


def decided(
    network: GridNetwork | None, outcomes: list[tuple[Order, Trade]], *, injection_w: float
) -> dict[str, tuple[int | None, int | None]]:
    buses = () if network is None else network.buses
    injections = np.array([injection_w if bus == 0 else 0.0 for bus in buses])
    result = decide_set_points(
        POINTS,
        outcomes,
        drawn_anyway_wh={},
        minutes=15,
        limits=network,
        injection_w=injections,
        injection_var=injections * 0,
    )
    return {point.metering_point: (point.export_limit_w, point.battery_w) for point in result}


def test_where_the_network_binds_each_plant_keeps_the_same_share_of_what_it_can_do() -> None:
    network = open_network("transformer:25")
    outcomes = [sold("A", 6_250, curtailed_wh=1_250)]
    (a_w, _), (b_w, _) = decided(network, outcomes, injection_w=20_000.0).values()
    assert a_w is not None
    assert b_w is not None
    assert abs(a_w / 20_000 - b_w / 10_000) < 1e-3
    assert a_w < 20_000
    everything = np.array([float(a_w + b_w) if bus == 0 else 0.0 for bus in network.buses])
    assert not network.solve(everything, everything * 0).violations
    assert network.solve(everything * 1.03, everything * 0).violations


def test_room_that_is_left_is_shared_by_nameplate_and_stays_safe() -> None:
    network = open_network("transformer:50")
    (a_w, _), (b_w, _) = decided(network, [sold("A", 2_500)], injection_w=10_000.0).values()
    assert a_w is not None
    assert b_w is not None
    assert 20_000 < a_w < 40_000
    assert abs((a_w - 20_000) / 20_000 - (b_w - 10_000) / 50_000) < 1e-3
    everything = np.array([float(a_w + b_w) if bus == 0 else 0.0 for bus in network.buses])
    assert not network.solve(everything, everything * 0).violations
    assert network.solve(everything * 1.03, everything * 0).violations


def test_where_no_state_of_the_network_exists_nobody_feeds_in() -> None:
    limits = decided(open_network("transformer:50"), [], injection_w=-50_000_000.0)
    assert limits == {"A": (0, None), "B": (0, None)}


def test_without_a_network_every_plant_may_give_all_it_has() -> None:
    limits = decided(None, [], injection_w=0.0)
    assert limits == {"A": (40_000, None), "B": (60_000, None)}


def test_accepted_flexible_energy_moves_the_battery() -> None:
    outcomes = [sold("A", 500, firmness=Firmness.FLEXIBLE), sold("C", 250, firmness=Firmness.FLEXIBLE)]
    assert battery_powers_w(outcomes, 15, {}) == {"A": -2_000, "C": -1_000}
    # A car that cannot wait draws beside what was accepted.
    assert battery_powers_w(outcomes, 15, {"A": 750, "D": 250}) == {"A": 1_000, "C": -1_000, "D": 1_000}
    limits = decided(None, outcomes, injection_w=0.0)
    assert limits["A"] == (40_000, -2_000)
    assert limits["C"] == (None, -1_000)
