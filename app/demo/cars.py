"""Cars of the demonstration: some homes have one that is at home at noon or in the evening and needs 8 kWh meanwhile.

With the market their agents decide when; alone with its supplier a car is filled as soon as it is plugged in.
"""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Engine

from app.agents.windows import DeviceClass, WindowOrder
from app.demo.founding import point_of
from app.demo.neighbourhood import SLOT_S, FloatArray, Neighbourhood
from app.storage.database import writing
from app.storage.store.windows import find_window, place_window

CAR_WH = 8_000
AT_HOME = ((9 * 4, 16 * 4), (17 * 4, 24 * 4))
"""Slots of the day in which a car is plugged in: of every other car the first, of the rest the second."""
WHOLE_DAY_SLOTS = 96


def car_windows(world: Neighbourhood, *, first_s: int, slots: int) -> Iterator[tuple[int, WindowOrder]]:
    """Number of each home with a car, and what it needs in the day that begins at `first_s`; none in a part of it."""
    if slots < WHOLE_DAY_SLOTS:
        return
    with_car = (k for k, home in enumerate(world.homes) if home.charger_w)
    for number, k in enumerate(with_car):
        home, (begin, end) = world.homes[k], AT_HOME[number % len(AT_HOME)]
        yield (
            k,
            WindowOrder(
                window_id=f"{home.home_id}:car",
                participant=home.home_id,
                metering_point=point_of(home),
                device=DeviceClass.CAR,
                earliest_s=first_s + begin * SLOT_S,
                latest_s=first_s + end * SLOT_S,
                energy_wh=CAR_WH,
                power_w=home.charger_w,
            ),
        )


def place_cars(engine: Engine, world: Neighbourhood, *, first_s: int, slots: int) -> None:
    """Ask for the cars' energy before the first gate of the day closes, once."""
    with writing(engine) as connection:
        for _, window in car_windows(world, first_s=first_s, slots=slots):
            if find_window(connection, window.window_id) is None:
                place_window(connection, window, placed_s=first_s - SLOT_S)


def cars_alone_w(world: Neighbourhood, *, first_s: int, slots: int) -> FloatArray:
    """Power of every car without a market, W [n_slot, n_home]: from the moment it is plugged in until it is full."""
    drawn_w = np.zeros((slots, len(world.homes)))
    for k, window in car_windows(world, first_s=first_s, slots=slots):
        left_wh, slot = float(window.energy_wh), (window.earliest_s - first_s) // SLOT_S
        while left_wh > 0:
            drawn_w[slot, k] = min(float(window.power_w), left_wh * 3600 / SLOT_S)
            left_wh -= drawn_w[slot, k] * SLOT_S / 3600
            slot += 1
    return drawn_w
