"""Equal orders that limits keep from sharing pro rata share as nearly so as the limits allow.

Where a limit without a price stands between orders that are equally good, any split within the limits is an optimum.
The one nearest to pro rata is taken: of all it has the least sum of (energy - share)^2 / quantity. Found by Dykstra's
algorithm of projections in turn (Boyle and Dykstra 1986).
"""

import numpy as np

from grid.limits import FloatArray
from matching.book import IntArray

SWEEPS_MAX = 300
STILL_WH = 1e-6  # what moves by no more in a sweep has arrived, and
KEPT_WH = 2e-4  # what so much energy takes of a row at most is kept free, so that arriving does not pass it


def nearest_to_pro_rata(
    total_wh: FloatArray, capacity_wh: IntArray, family: IntArray, *, effect: FloatArray, room: FloatArray
) -> FloatArray:
    """Energy of each pool [n_pool] within the rows, nearest to pro rata, the sum of each family as it is in `total_wh`.

    `total_wh` keeps the rows; family [n_pool] numbers what is equally good; effect [n_row, n_pool] moves rows per Wh;
    room [n_row] is what `total_wh` leaves of them.
    """
    weight, room = capacity_wh.astype(np.float64), np.maximum(room, 0.0)
    aim = room - KEPT_WH * np.abs(effect).max(axis=1, initial=0.0)
    in_family, offered = np.bincount(family, total_wh), np.maximum(np.bincount(family, weight), 1.0)
    wanted = (in_family / offered)[family] * weight
    energy, price, beyond = wanted, np.zeros(room.size), np.zeros(weight.size)
    strength = np.maximum(effect**2 @ weight, np.finfo(np.float64).tiny)
    for _ in range(SWEEPS_MAX):
        before = energy
        for row in np.flatnonzero((price > 0.0) | (effect @ (energy - total_wh) > aim)).tolist():
            passed = effect[row] @ (energy - total_wh) - aim[row]
            step = max(-price[row], passed / strength[row])
            price[row] += step
            energy = energy - step * weight * effect[row]
        unbounded = energy + beyond
        energy = np.clip(unbounded, 0.0, weight)
        beyond = unbounded - energy
        energy = energy + weight * ((in_family - np.bincount(family, energy)) / offered)[family]
        if np.abs(energy - before).max(initial=0.0) <= STILL_WH:
            break
    # What still passes a row is taken back on the way to where nothing does.
    towards = energy - total_wh
    used = effect @ towards
    share = min(1.0, float((room[used > room] / used[used > room]).min(initial=1.0)))
    nearest: FloatArray = total_wh + share * towards
    return nearest
