"""From the optimum of cells to whole Wh for every order, with the totals kept.

Cells whose orders are equally good and equally effective are pooled first, so that orders on the same price share pro
rata wherever the network does not tell them apart, and as nearly so as limits without a price allow. Totals are rounded
to the side that is safe for the binding rows and balanced where that costs least. What is curtailed of a group is
shared over what it left uncleared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.book import BoolArray, IntArray
from matching.cells import NO_GROUP, Cells, distinct, sum_per
from matching.equals import nearest_to_pro_rata
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.price_rule import NOISE_MICRO_PER_KWH
from matching.pricing import PART_WH, DualPrices
from matching.problem import WelfareProblem, WelfareSolution
from matching.rationing import TieKeys, grouped, pro_rata


class NothingToBalanceWith(Exception):  # noqa: N818 (says what happened; callers catch it by this name)
    """Losses other than those of the optimum cannot be covered from what is near its prices."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeOutcome:
    """accepted_wh, curtailed_wh [n_order] and the supplier's volumes, all whole Wh and in balance."""

    accepted_wh: IntArray
    curtailed_wh: IntArray
    supplier_import_wh: int
    supplier_export_wh: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pools:
    """Cells that share: of_cell [n_cell]; the rest [n_pool].

    surplus       what one more accepted Wh adds to the welfare, nano-units
    network_cost  what it takes from the rows with a price, nano-units; negative where it relieves them
    """

    of_cell: IntArray
    is_sell: BoolArray
    total_wh: IntArray
    capacity_wh: IntArray
    surplus: FloatArray
    network_cost: FloatArray
    moves_rows: BoolArray


Balance = Callable[[Pools], tuple[IntArray, tuple[int, int]]]


def disaggregate(
    *,
    quantity_wh: IntArray,
    problem: WelfareProblem,
    solution: WelfareSolution,
    duals: DualPrices,
    respected: BoolArray,
    loss_wh: int,
    tie_keys: TieKeys,
    balance: Balance | None = None,
) -> WholeOutcome:
    """Whole Wh of an optimum, balanced for these losses.

    `respected` [n_row] are rows that must tell cells apart although they have no price. `balance` finds the totals of
    the pools and the supplier's volumes where more than one balance must hold.
    """
    cells = problem.cells
    curtailed = _curtailment(cells, solution)
    caps = _caps(cells, solution.accepted_wh, curtailed)
    pools = _pools(problem, solution, duals, caps, respected)
    totals, supplied = balance(pools) if balance else _balanced(pools, problem, solution, duals, loss_wh)
    accepted = _share_pools(cells, pools, totals, caps, quantity_wh, tie_keys)
    return WholeOutcome(
        accepted_wh=accepted,
        curtailed_wh=_share_curtailment(cells, curtailed, quantity_wh, accepted, tie_keys),
        supplier_import_wh=supplied[0],
        supplier_export_wh=supplied[1],
    )


def _curtailment(cells: Cells, solution: WelfareSolution) -> IntArray:
    """Upwards: a Wh more curtailed never passes a limit that it was to keep. Never more than is left uncleared."""
    grouped = cells.group != NO_GROUP
    left = cells.group_capacity_wh.copy()
    np.subtract.at(left, cells.group[grouped], _certain(solution.accepted_wh[grouped]))
    return np.minimum(np.ceil(solution.curtailed_wh - PART_WH).astype(np.int64), left)


def _caps(cells: Cells, accepted_wh: FloatArray, curtailed_wh: IntArray) -> IntArray:
    """Most that each cell can have accepted beside its group's curtailment.

    What a group has room for beyond the optimum goes to its best cell that is not full: the one at the margin.
    """
    caps = cells.capacity_wh.copy()
    grouped = np.flatnonzero(cells.group != NO_GROUP)
    certain = _certain(accepted_wh[grouped])
    left = cells.group_capacity_wh - curtailed_wh
    np.subtract.at(left, cells.group[grouped], certain)
    caps[grouped] = certain
    worth = np.where(cells.is_sell, cells.price_micro_per_kwh, -cells.price_micro_per_kwh)
    candidates = grouped[certain < cells.capacity_wh[grouped]]
    candidates = candidates[np.argsort(worth[candidates], kind="stable")]
    groups, first = np.unique(cells.group[candidates], return_index=True)
    marginal = candidates[first]
    caps[marginal] = np.minimum(caps[marginal] + left[groups], cells.capacity_wh[marginal])
    return caps


def _certain(accepted_wh: FloatArray) -> IntArray:
    return np.floor(accepted_wh + PART_WH).astype(np.int64)


def _pools(
    problem: WelfareProblem, solution: WelfareSolution, duals: DualPrices, caps: IntArray, respected: BoolArray
) -> Pools:
    cells, priced = problem.cells, duals.shadow_price > 0.0
    of_cell, first = _alike(cells, respected | priced)
    total: FloatArray = np.bincount(of_cell, weights=solution.accepted_wh, minlength=first.size).astype(np.float64)
    capacity = sum_per(of_cell, caps, first.size)
    side, place = np.where(cells.is_sell[first], 1.0, -1.0), cells.moved_class[first]
    apart = respected & ~priced
    if apart.any():
        effect = side * cells.class_effect[:, place][apart]
        left = problem.room[apart] - effect @ total - cells.relief[apart] @ solution.curtailed_wh
        equally_good = _alike(cells, priced)[0][first]
        total = nearest_to_pro_rata(total, capacity, equally_good, effect=effect, room=left)
    network_cost = side * (duals.shadow_price @ cells.class_effect)[place]
    surplus = side * (duals.price_micro_per_kwh - cells.price_micro_per_kwh[first]) - network_cost
    # What loads a binding row is rounded down, what relieves one is rounded up.
    whole = np.where(network_cost < 0.0, np.ceil(total - PART_WH), np.floor(total + PART_WH)).astype(np.int64)
    return Pools(
        of_cell=of_cell,
        is_sell=cells.is_sell[first],
        total_wh=np.clip(whole, 0, capacity),
        capacity_wh=capacity,
        surplus=surplus,
        network_cost=network_cost,
        moves_rows=(cells.class_effect != 0.0).any(axis=0)[place],
    )


def _alike(cells: Cells, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """[n_cell] the pool: side, match class, price and effect on the kept rows; [n_pool] the first cell of each."""
    _, effect_rank = np.unique(cells.class_effect[kept].T + 0.0, axis=0, return_inverse=True)
    effect_rank = effect_rank.reshape(-1)[cells.moved_class]
    # Pools are in the order of side, match class, price and signed effect.
    highest = int(effect_rank.max(initial=0))
    signed_rank = np.where(cells.is_sell, effect_rank, highest - effect_rank)
    price = cells.price_micro_per_kwh
    price_rank = (price - price.min(initial=0)) // PRICE_TICK_MICRO_PER_KWH
    by_side = cells.is_sell * (int(cells.match_class.max(initial=0)) + 1) + cells.match_class
    by_price = by_side * (int(price_rank.max(initial=0)) + 1) + price_rank
    pools, of_cell = distinct(by_price * (highest + 1) + signed_rank)
    first = np.zeros(pools.size, dtype=np.int64)
    first[of_cell[::-1]] = np.arange(of_cell.size)[::-1]
    return of_cell, first


def _balanced(
    pools: Pools, problem: WelfareProblem, solution: WelfareSolution, duals: DualPrices, loss_wh: int
) -> tuple[IntArray, tuple[int, int]]:
    """Totals of the pools and the supplier's volumes, moved where it harms least until energy in equals out.

    Among moves that harm alike, the one that loads the rows least.
    """
    supplier, price = problem.supplier, duals.price_micro_per_kwh
    # The supplier joins as two more pools of unlimited size, for as far as it bids at all.
    sells, buys = supplier.sells_at_micro_per_kwh, supplier.buys_at_micro_per_kwh
    unlimited = np.iinfo(np.int64).max
    total = np.append(pools.total_wh, [round(solution.supplier_import_wh), round(solution.supplier_export_wh)]).astype(
        np.int64
    )
    capacity = np.append(pools.capacity_wh, [0 if sells is None else unlimited, 0 if buys is None else unlimited])
    surplus = np.append(pools.surplus, [price - (sells or 0), (buys or 0) - price])
    side = np.append(np.where(pools.is_sell, 1, -1), [1, -1])
    moves_rows = np.append(pools.moves_rows, [False, False])
    network_cost = np.append(pools.network_cost, [0.0, 0.0])
    imbalance = int((side * total).sum()) - loss_wh
    while imbalance:
        step = -side * (1 if imbalance > 0 else -1)  # +1 accepts more, -1 accepts less
        room = np.where(step > 0, np.where(surplus >= -NOISE_MICRO_PER_KWH, capacity - total, 0), total)
        harm = np.where(room > 0, np.maximum(-step * surplus, 0.0), np.inf)
        loads = np.round(np.maximum(step * network_cost, 0.0) / NOISE_MICRO_PER_KWH)
        best = _first_of(np.round(harm / NOISE_MICRO_PER_KWH), loads, moves_rows)
        if room[best] <= 0:
            raise NothingToBalanceWith(f"{imbalance} Wh too much, {loss_wh} Wh lost: no order can make up for it")
        moved = min(abs(imbalance), int(room[best]))
        total[best] += moved * int(step[best])
        imbalance += moved * int(side[best] * step[best])
    return total[:-2], (int(total[-2]), int(total[-1]))


def _first_of(*keys: FloatArray | BoolArray) -> int:
    """The place of the least first key, among equal ones of the least second, and so on; the first of these."""
    at = np.arange(keys[0].size)
    for key in keys:
        at = at[key[at] == key[at].min()]
    return int(at[0])


def _share_pools(
    cells: Cells, pools: Pools, totals: IntArray, caps: IntArray, quantity_wh: IntArray, tie_keys: TieKeys
) -> IntArray:
    """Accepted Wh per order: pools that are full or empty at once, the others pro rata."""
    capacity = sum_per(pools.of_cell, cells.capacity_wh, totals.size)
    of_part, of_order = pools.of_cell[cells.of_part], cells.parts.of_order
    in_full, shares = totals == capacity, (totals > 0) & (totals < capacity)
    filling = (in_full + 2 * shares).astype(np.int8)[of_part][of_order]
    accepted: IntArray = quantity_wh * (filling == 1)
    sharing = np.flatnonzero(filling == 2)
    part = of_order[sharing]
    for pool, members in _by_number(of_part[part]):
        positions, cell = sharing[members], cells.of_part[part[members]]
        accepted[positions] = _fill_up(quantity_wh[positions], int(totals[pool]), cell, caps, positions, tie_keys)
    return accepted


def _by_number(numbers: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Each number that occurs and where it does, both ascending."""
    present, rank = np.unique(numbers, return_inverse=True)
    return zip(present.tolist(), grouped(np.arange(numbers.size), rank), strict=True)


def _fill_up(
    quantity_wh: IntArray, total_wh: int, cell: IntArray, caps: IntArray, positions: IntArray, tie_keys: TieKeys
) -> IntArray:
    """Pro rata over the orders of a pool; cells that would pass their cap get the cap, the others share the rest."""
    cells, cell = np.unique(cell, return_inverse=True)
    caps = caps[cells]
    accepted = np.zeros_like(quantity_wh)
    open_orders = np.ones(quantity_wh.size, dtype=np.bool_)
    while True:
        at = np.flatnonzero(open_orders)
        accepted[at] = pro_rata(quantity_wh[at], total_wh, positions=positions[at], tie_keys=tie_keys)
        cleared = np.zeros(caps.size, dtype=np.int64)
        np.add.at(cleared, cell[at], accepted[at])
        over = np.flatnonzero(cleared > caps)
        if not over.size:
            return accepted
        for number in over.tolist():
            capped = np.flatnonzero(open_orders & (cell == number))
            accepted[capped] = pro_rata(
                quantity_wh[capped], int(caps[number]), positions=positions[capped], tie_keys=tie_keys
            )
            open_orders[capped] = False
            total_wh -= int(caps[number])


def _share_curtailment(
    cells: Cells, curtailed_wh: IntArray, quantity_wh: IntArray, accepted_wh: IntArray, tie_keys: TieKeys
) -> IntArray:
    """Curtailed Wh per order: each group's pro rata over what its orders left uncleared."""
    if not curtailed_wh.any():
        return np.broadcast_to(np.int64(0), quantity_wh.shape)
    curtailed = np.zeros_like(quantity_wh)
    shares = np.append(curtailed_wh > 0, False)  # NO_GROUP comes last
    of_part, of_order = cells.group[cells.of_part], cells.parts.of_order
    sharing = np.flatnonzero(shares[of_part][of_order])
    for group, members in _by_number(of_part[of_order[sharing]]):
        positions = sharing[members]
        curtailed[positions] = pro_rata(
            quantity_wh[positions] - accepted_wh[positions],
            int(curtailed_wh[group]),
            positions=positions,
            tie_keys=tie_keys,
        )
    return curtailed
