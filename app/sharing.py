"""Who supplied whom: the energy that homes shared in a span, from kind of home to kind of home.

There are no pairs in this market: every quarter hour all sellers fill one pool and all buyers draw from it, so each
kilowatt-hour that is bought carries the mix of what was sold in its own interval. Kinds of homes are told apart only
where at least `FEWEST_HOMES` of each took part; smaller ones are merged with others, and if the whole side is smaller,
nothing is told at all. A member of a group knows the own part, so what is left is of two homes at least.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

FEWEST_HOMES = 3
"""As in the book of a round, which members see when as many homes stand behind each of its curves."""


class HomeKind(StrEnum):
    """What a home has behind its meter."""

    SOLAR = "solar"
    STORAGE = "storage"
    PLAIN = "plain"


Group = frozenset[HomeKind]
"""Kinds of homes that are told together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEnergy:
    """Energy of all homes of a kind in one interval, Wh."""

    start_s: int
    kind: HomeKind
    bought_wh: int
    sold_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTotals:
    """A kind of homes in the whole span: how many drew and how many fed in, and what was left to suppliers, Wh."""

    kind: HomeKind
    homes_drawing: int
    homes_feeding: int
    residual_import_wh: int
    residual_export_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Energy from group to group in Wh, and what went between groups and suppliers."""

    between: Mapping[tuple[Group, Group], int]
    from_suppliers: Mapping[Group, int]
    to_grid: Mapping[Group, int]
    sellers: tuple[Group, ...]
    buyers: tuple[Group, ...]


def groups_of(homes: Mapping[HomeKind, int], *, fewest: int = FEWEST_HOMES) -> tuple[Group, ...]:
    """Kinds with at least one home, merged from the smallest until each group has `fewest`; empty if all have not."""
    groups = {frozenset({kind}): count for kind, count in homes.items() if count}
    while len(groups) > 1 and min(groups.values()) < fewest:
        small, other = sorted(groups, key=lambda group: (groups[group], sorted(group)))[:2]
        groups[small | other] = groups.pop(small) + groups.pop(other)
    if any(count < fewest for count in groups.values()):
        return ()
    return tuple(sorted(groups, key=sorted))


def pool_shares(energy_wh: int, sold_wh: Sequence[int]) -> list[int]:
    """`energy_wh` out of a pool, split as the pool was filled; whole Wh that add up. Zeros from an empty pool."""
    total_wh, filled_wh, given_wh = sum(sold_wh), 0, 0
    shares = []
    for wh in sold_wh:
        filled_wh += wh
        upto_wh = energy_wh * filled_wh // total_wh if total_wh else 0
        shares.append(upto_wh - given_wh)
        given_wh = upto_wh
    return shares


def sharing_of(energies: Iterable[KindEnergy], totals: Sequence[KindTotals]) -> Sharing | None:
    """The whole community's flows, None where too few homes sold or bought to tell."""
    sellers = groups_of({each.kind: each.homes_feeding for each in totals})
    buyers = groups_of({each.kind: each.homes_drawing for each in totals})
    if not sellers or not buyers:
        return None
    between = dict.fromkeys(((seller, buyer) for seller in sellers for buyer in buyers), 0)
    for bought, sold in _pools(energies, buyers, sellers).values():
        for buyer, wanted_wh in zip(buyers, bought, strict=True):
            for seller, wh in zip(sellers, pool_shares(wanted_wh, sold), strict=True):
                between[seller, buyer] += wh
    return Sharing(
        between=between,
        from_suppliers={
            group: sum(each.residual_import_wh for each in totals if each.kind in group) for group in buyers
        },
        to_grid={group: sum(each.residual_export_wh for each in totals if each.kind in group) for group in sellers},
        sellers=sellers,
        buyers=buyers,
    )


def own_sources(
    energies: Iterable[KindEnergy], own_wh: Mapping[int, int], groups: Sequence[Group], *, selling: bool
) -> dict[Group, int]:
    """What one home bought, by interval start, split by who filled the pool; if `selling`, by who drew from it."""
    totals = dict.fromkeys(groups, 0)
    for start_s, (bought, sold) in _pools(energies, groups, groups).items():
        for group, wh in zip(groups, pool_shares(own_wh.get(start_s, 0), bought if selling else sold), strict=True):
            totals[group] += wh
    return totals


def _pools(
    energies: Iterable[KindEnergy], buyers: Sequence[Group], sellers: Sequence[Group]
) -> dict[int, tuple[list[int], list[int]]]:
    """(Wh bought by group, Wh sold by group) of each interval."""
    buyer_of = {kind: index for index, group in enumerate(buyers) for kind in group}
    seller_of = {kind: index for index, group in enumerate(sellers) for kind in group}
    pools: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([0] * len(buyers), [0] * len(sellers)))
    for each in energies:
        bought, sold = pools[each.start_s]
        if each.kind in buyer_of:
            bought[buyer_of[each.kind]] += each.bought_wh
        if each.kind in seller_of:
            sold[seller_of[each.kind]] += each.sold_wh
    return pools
