"""Who gets the margin: orders that are equally good share pro rata, whoever came first, as `shares.py` says."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from matching.book import IntArray
from matching.recheck.accounts import named
from matching.recheck.published import Published
from matching.recheck.shares import shared


def margin(result: Published, of_class: IntArray | None = None) -> Iterator[str]:
    """Orders of one side and price, at buses that the network does not tell apart, share their total pro rata.

    Of the double auction; how other mechanisms share is in their rules (`mechanisms.py`).
    Exactly so; but where curtailing took room from some of them, in proportion within one Wh. Orders of different
    `of_class` [n_order] do not share: they do not trade with the same others.
    """
    if not result.claims.mechanism.most_welfare:
        return
    pool = _pools(result, np.zeros(len(result.book), dtype=np.int64) if of_class is None else of_class)
    accepted, tradable = result.accepted_wh, result.tradable_wh
    cleared, offered = _sums(pool, accepted), _sums(pool, tradable)
    partly = np.flatnonzero((cleared > 0) & (cleared < offered))
    rests_on_rows = bool(result.claims.certificate.rows) or bool(result.curtailed_wh.any())
    rests_on_rows &= not result.is_refused
    for number in partly.tolist():
        members = np.flatnonzero(pool == number)
        curtailable = result.curtailable[members]
        if rests_on_rows and curtailable.any():
            yield from _shares_in_parts(result, members[~curtailable])
            for bus in np.unique(result.book.bus[members[curtailable]]).tolist():
                yield from _shares_in_parts(result, members[curtailable & (result.book.bus[members] == bus)])
            continue
        seed, names = result.claims.rules.tie_seed, result.book.order_ids[members]
        fair = shared(int(cleared[number]), tradable[members], names=names, seed=seed)
        wrong = np.zeros(accepted.size, dtype=np.bool_)
        wrong[members] = accepted[members] != fair
        due = dict(zip(members.tolist(), fair.tolist(), strict=True))
        yield from named(result, wrong, partial(_unfair, accepted, due))


def curtailment(result: Published) -> Iterator[str]:
    """What is curtailed at a bus is shared in proportion to what its orders left uncleared, within one Wh.

    Not where the network refused: what was left uncleared is known only before the market that followed.
    """
    if result.is_refused:
        return
    left = result.book.quantity_wh - result.accepted_wh
    curtailable = np.flatnonzero(result.curtailable & (left > 0))
    place = result.book.bus[curtailable] * 2 + result.book.is_sell[curtailable]
    for number in np.unique(place[result.curtailed_wh[curtailable] > 0]).tolist():
        members = curtailable[place == number]
        yield from _in_proportion(result, members, result.curtailed_wh[members], left[members], "curtailed")


def _unfair(accepted_wh: IntArray, due_wh: dict[int, int], at: int) -> str:
    return f"accepted {accepted_wh[at]} Wh, its share is {due_wh[at]} Wh"


def _shares_in_parts(result: Published, members: IntArray) -> Iterator[str]:
    with_quantity = members[result.tradable_wh[members] > 0]
    shares, quantity = result.accepted_wh[with_quantity], result.tradable_wh[with_quantity]
    yield from _in_proportion(result, with_quantity, shares, quantity, "accepted")


def _in_proportion(
    result: Published, members: IntArray, share_wh: IntArray, of_wh: IntArray, what: str
) -> Iterator[str]:
    """There is one ratio of which every share is less than a Wh away: no lower end lies above an upper one."""
    if not members.size:
        return
    low, high = int(np.argmax((share_wh - 1) / of_wh)), int(np.argmin((share_wh + 1) / of_wh))
    if int(share_wh[low] - 1) * int(of_wh[high]) >= int(share_wh[high] + 1) * int(of_wh[low]):
        one, other = (result.book.order_id(int(members[at])) for at in (low, high))
        yield (
            f"order {one!r}: {what} {share_wh[low]} of {of_wh[low]} Wh where order {other!r}, equally good, has "
            f"{share_wh[high]} of {of_wh[high]} Wh"
        )


def _pools(result: Published, of_class: IntArray) -> IntArray:
    """[n_order] a number for each set of equal side, class, price and, if flexible, effect on the rows apart."""
    rows = [row for row in result.claims.certificate.rows if row.tells_apart]
    classes: dict[tuple[float, ...], int] = {(0.0,) * len(rows): 0}
    class_of_bus: dict[int, int] = {}
    for bus in {bus for row in rows for bus in row.effect_per_wh}:
        effects = tuple(row.effect_per_wh.get(bus, 0.0) for row in rows)
        class_of_bus[bus] = classes.setdefault(effects, len(classes))
    place = np.zeros(len(result.book), dtype=np.int64)
    if class_of_bus:
        buses, inverse = np.unique(result.book.bus, return_inverse=True)
        of_bus = np.array([class_of_bus.get(bus, 0) for bus in buses.tolist()], dtype=np.int64)
        place = np.where(result.flexible, of_bus[inverse], 0)
    kind = (place * (int(of_class.max(initial=0)) + 1) + of_class) * 2 + result.book.is_sell
    prices, rank = np.unique(result.book.limit_micro_per_kwh, return_inverse=True)
    _, pool = np.unique(kind * prices.size + rank, return_inverse=True)
    return np.asarray(pool, dtype=np.int64)


def _sums(number: IntArray, values: IntArray) -> IntArray:
    summed = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(summed, number, values)
    return summed
