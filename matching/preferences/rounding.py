"""Whole Wh of an optimum under network rows, with as much out of every class as into the others.

Without rows the optimum is whole by itself. Rows make a few pools fractional, and what one of them gives up must be
taken up within the balances of the classes and the room of the rows: a small integer programme over the pools near
their class's margin. Only pools of which the optimum accepts something may get more: the prices support no others.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from grid.limits import FloatArray
from matching.book import BoolArray, IntArray
from matching.cells import Cells
from matching.disaggregation import Pools
from matching.highs import maximised
from matching.preferences.problem import ClassProblem, ClassSolution
from matching.pricing import PART_WH
from matching.problem import EXCESS_COST, SUPPLIER_AVERSION, VOLUME_PREFERENCE_MAX_MICRO_PER_KWH

NEAR_POOLS = 4  # of each class, those that cost least to move
REACHES_WH = (8, 2**40)  # how far a pool may be moved; the second for when the first leaves no balance
NODES_MAX = 500
GAP_MICRO = 0.5  # of worth in micro-units times Wh: less than what tells two ways apart that are equally good
OPTIONS: dict[str, str | int | float] = {
    "solver": "simplex",
    "mip_max_nodes": NODES_MAX,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": GAP_MICRO,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Places:
    """The pools as the classes and the rows see them.

    number  [n_pool] of the class's balance: those of the sellers, then those of the buyers
    cost    [n_pool] what the cells of a pool ask for beyond their limit for the network's sake: worst ones come last
    effect  [n_row, n_pool] change of each kept row per Wh, in units of its largest
    """

    number: IntArray
    worth: FloatArray
    cost: FloatArray
    effect: FloatArray
    room: FloatArray


def whole_totals(
    pools: Pools, problem: ClassProblem, solution: ClassSolution, kept: BoolArray
) -> tuple[IntArray, tuple[int, int]]:
    """Totals of the pools [n_pool] and the supplier's volumes. `kept` [n_row] are the rows that must be kept."""
    exact = np.zeros(pools.total_wh.size)
    np.add.at(exact, pools.of_cell, solution.accepted_wh)
    base = np.minimum(np.floor(exact + PART_WH).astype(np.int64), pools.capacity_wh)
    places = _places(pools, problem, solution, kept)
    near = _near(places, exact, base)
    for reach in REACHES_WH:
        moved = _moved(problem, solution, places, base, near, _reach(pools, exact, base, near, reach))
        if moved is not None:
            base[near] += moved
            flow = whole_flows(problem, solution, *_class_totals(problem, places, base))
            sells, buys = problem.classes.supplier_sells, problem.classes.supplier_buys
            return base, (int(flow[-1].sum()) if sells else 0, int(flow[:, -1].sum()) if buys else 0)
    raise AssertionError("accepting nothing is always in balance")


def whole_flows(problem: ClassProblem, solution: ClassSolution, sold_wh: IntArray, bought_wh: IntArray) -> IntArray:
    """[n_seller, n_buyer] the best way of what the members' classes sell and buy; the supplier takes part as ever.

    Energy flows only where it does in the optimum: prices support no other ways.
    """
    shape = problem.classes.weight.shape
    found = _solve(
        cost=_flow_worth(problem),
        lower=np.zeros(problem.classes.weight.size),
        upper=_open_ways(solution),
        matrix=_flow_balances(problem),
        row_lower=np.concatenate([sold_wh, bought_wh]).astype(np.float64),
        row_upper=np.concatenate([sold_wh, bought_wh]).astype(np.float64),
    )
    assert found is not None, "what is sold is not what is bought"
    flow = np.rint(found).astype(np.int64).reshape(shape)
    assert np.abs(found.reshape(shape) - flow).max(initial=0.0) < PART_WH, "the flows are not in whole Wh"
    return flow


def _places(pools: Pools, problem: ClassProblem, solution: ClassSolution, kept: BoolArray) -> _Places:
    cells: Cells = problem.cells
    first = np.zeros(pools.total_wh.size, dtype=np.int64)
    first[pools.of_cell[::-1]] = np.arange(pools.of_cell.size)[::-1]
    side = np.where(cells.is_sell[first], 1.0, -1.0)
    effect = cells.class_effect[np.ix_(kept, cells.moved_class[first])] * side
    unit = np.abs(np.hstack([effect, cells.relief[kept]])).max(axis=1, initial=0.0)
    unit[unit == 0.0] = 1.0
    network = solution.shadow_price[kept] @ effect
    room = problem.room[kept] - cells.relief[kept] @ solution.curtailed_wh
    return _Places(
        number=np.where(cells.is_sell[first], 0, problem.member_classes[0]) + cells.match_class[first],
        worth=(VOLUME_PREFERENCE_MAX_MICRO_PER_KWH - side * cells.price_micro_per_kwh[first]).astype(np.float64),
        cost=side * cells.price_micro_per_kwh[first] + network,
        effect=effect / unit[:, None],
        room=room / unit + PART_WH,
    )


def _near(places: _Places, exact: FloatArray, base: IntArray) -> IntArray:
    """Pools that are not whole, and of each class the worst ones of which something is accepted."""
    taken = np.flatnonzero(exact > PART_WH)
    ranked = taken[np.lexsort((-places.cost[taken], places.number[taken]))]
    number = places.number[ranked]
    rank = np.arange(ranked.size) - np.searchsorted(number, number)
    return np.union1d(ranked[rank < NEAR_POOLS], np.flatnonzero(np.abs(exact - base) > PART_WH))


def _reach(
    pools: Pools, exact: FloatArray, base: IntArray, near: IntArray, reach_wh: int
) -> tuple[FloatArray, FloatArray]:
    """How far each near pool may be moved down and up."""
    down = np.minimum(base[near], reach_wh)
    up = np.minimum(pools.capacity_wh[near] - base[near], reach_wh) * (exact[near] > PART_WH)
    return -down.astype(np.float64), up.astype(np.float64)


def _moved(
    problem: ClassProblem,
    solution: ClassSolution,
    places: _Places,
    base: IntArray,
    near: IntArray,
    reach: tuple[FloatArray, FloatArray],
) -> IntArray | None:
    """[n_near] by how much the near pools are moved; None if no move within reach brings the classes into balance."""
    flow = np.floor(solution.flow_wh + PART_WH).ravel()
    balances, row_count = sum(problem.member_classes), places.room.size
    given = np.bincount(places.number, weights=base, minlength=balances)
    due = _flow_balances(problem) @ flow - given
    in_class = sparse.csc_matrix(
        (np.ones(near.size), (places.number[near], np.arange(near.size))), (balances, near.size)
    )
    matrix = sparse.vstack(
        [
            sparse.hstack([in_class, -_flow_balances(problem), sparse.csc_matrix((balances, row_count))]),
            sparse.hstack(
                [
                    sparse.csc_matrix(places.effect[:, near]),
                    sparse.csc_matrix((row_count, flow.size)),
                    -sparse.identity(row_count),
                ]
            ),
        ],
        format="csc",
    )
    flow_worth = _flow_worth(problem)
    worth = np.concatenate([places.worth[near], flow_worth])
    excess = np.full(row_count, -EXCESS_COST * float(np.abs(worth).max(initial=1.0)))
    found = _solve(
        cost=np.concatenate([worth, excess]),
        lower=np.concatenate([reach[0], -flow, np.zeros(row_count)]),
        upper=np.concatenate([reach[1], _open_ways(solution), np.full(row_count, np.inf)]),
        matrix=matrix,
        row_lower=np.concatenate([due, np.full(row_count, -np.inf)]),
        row_upper=np.concatenate([due, places.room - places.effect @ base]),
        whole=near.size,
    )
    return None if found is None else np.rint(found[: near.size]).astype(np.int64)


def _class_totals(problem: ClassProblem, places: _Places, totals: IntArray) -> tuple[IntArray, IntArray]:
    each = np.zeros(sum(problem.member_classes), dtype=np.int64)
    np.add.at(each, places.number, totals)
    return each[: problem.member_classes[0]], each[problem.member_classes[0] :]


def _open_ways(solution: ClassSolution) -> FloatArray:
    """[n_flow] how much more may flow from class to class."""
    return np.where(solution.flow_wh.ravel() > PART_WH, np.inf, 0.0)


def _flow_worth(problem: ClassProblem) -> FloatArray:
    worth = problem.flow_worth.astype(np.float64)
    if problem.classes.supplier_sells:
        worth[-1] -= SUPPLIER_AVERSION * VOLUME_PREFERENCE_MAX_MICRO_PER_KWH
    if problem.classes.supplier_buys:
        worth[:, -1] -= SUPPLIER_AVERSION * VOLUME_PREFERENCE_MAX_MICRO_PER_KWH
    return worth.ravel()


def _flow_balances(problem: ClassProblem) -> sparse.csc_matrix:
    """[n_balance, n_flow] one where a flow leaves a class of selling members or reaches one of buying members."""
    sellers, buyers = problem.member_classes
    seller, buyer = (index.ravel() for index in np.indices(problem.classes.weight.shape))
    out, into = np.flatnonzero(seller < sellers), np.flatnonzero(buyer < buyers)
    rows, columns = np.concatenate([seller[out], sellers + buyer[into]]), np.concatenate([out, into])
    return sparse.csc_matrix((np.ones(rows.size), (rows, columns)), (sellers + buyers, seller.size))


def _solve(
    *,
    cost: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    matrix: sparse.csc_matrix,
    row_lower: FloatArray,
    row_upper: FloatArray,
    whole: int = 0,
) -> FloatArray | None:
    """The columns of the most worth, the first `whole` of them in whole numbers; None if there are none."""
    from highspy import SolutionStatus

    if not cost.size:
        return np.zeros(0)
    solver = maximised(
        worth=cost,
        lower=lower,
        upper=upper,
        matrix=matrix,
        row_lower=row_lower,
        row_upper=row_upper,
        options=OPTIONS,
        whole=whole,
    )
    if solver.getInfo().primal_solution_status != SolutionStatus.kSolutionStatusFeasible:
        return None
    return np.asarray(solver.getSolution().col_value, dtype=np.float64)
