"""From flows between classes to parts of orders: who is filled from where, and at which price.

Every member of a class is as well off with one source as with another, so who gets which is nobody's loss; orders are
taken in the order of their keys, one source after the other. Only the order at the border of two sources is split: of a
class that trades with n others, at most n - 1 orders.
"""

from dataclasses import dataclass

import numpy as np

from matching.book import BoolArray, IntArray
from matching.preferences.classes import MatchClasses
from matching.rationing import TieKeys


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """Accepted energy by order and counter class, [n_part] sorted by order.

    position       of the order in the book
    counter_class  of a buy order the class of sellers it is filled from, of a sell order the class of its buyers
    """

    position: IntArray
    counter_class: IntArray
    wh: IntArray


def assign(
    is_sell: BoolArray, accepted_wh: IntArray, flow_wh: IntArray, classes: MatchClasses, tie_keys: TieKeys
) -> Parts:
    """Parts of all orders; accepted_wh [n_order], flow_wh [n_seller, n_buyer]."""
    found = [(np.zeros(0, dtype=np.int64),) * 3]
    for selling, flows in ((True, flow_wh), (False, flow_wh.T)) if flow_wh.any() else ():
        taken = np.flatnonzero((is_sell == selling) & (accepted_wh > 0))
        own, trading = classes.of_order[taken], (flows > 0).sum(axis=1)
        single = trading[own] == 1
        found.append((taken[single], flows.argmax(axis=1)[own[single]], accepted_wh[taken[single]]))
        for number in np.flatnonzero(trading > 1).tolist():
            positions = taken[own == number]
            if positions.size:  # the supplier has no orders
                found.append(_filled(positions, accepted_wh[positions], flows[number], tie_keys))
    position, counter_class, wh = (np.concatenate(column).astype(np.int64) for column in zip(*found, strict=True))
    order = np.lexsort((counter_class, position))
    return Parts(position=position[order], counter_class=counter_class[order], wh=wh[order])


def _filled(
    positions: IntArray, accepted_wh: IntArray, flow_wh: IntArray, tie_keys: TieKeys
) -> tuple[IntArray, IntArray, IntArray]:
    """Orders laid end to end along flows laid end to end: a part between every two borders."""
    ranked = np.argsort(tie_keys(positions), kind="stable")
    orders_end, flows_end = np.cumsum(accepted_wh[ranked]), np.cumsum(flow_wh)
    assert orders_end[-1] == flows_end[-1], "a class trades what its orders do not"
    borders = np.unique(np.concatenate([[0], orders_end, flows_end]))
    ends = borders[1:]
    order = np.searchsorted(orders_end, ends, side="left")
    return positions[ranked[order]], np.searchsorted(flows_end, ends, side="left"), np.diff(borders)
