"""Where the community's energy came from: certificates of what was generated, and who consumed them.

Totals of an interval and source go on the chain; members' shares lie under a salted root. A total is published only
where no home's part can be told from it, neither alone nor beside the traded energy of the round, which everybody
knows. The unit is the Wh of the meters, which are rounded down already; what a correction adds later is not certified.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from contracts.evidence import Json, canonical, salt_for
from contracts.merkle import MerkleTree, leaf_hash
from contracts.settlement import Allocation
from contracts.shares import share_out
from meters.interval import DeliveryInterval

HOMES_MIN = 3
"""Homes that must be behind a total for it to be published."""
REST_PERCENT = 10
"""What the third and all further homes must have at least, in per cent of the largest (the p per cent rule of
statistical offices: Hundepool et al., Statistical Disclosure Control, 2012, section 4.2): so near and no nearer can the
second largest, who knows its own part, come to the largest."""


class Source(IntEnum):
    """Kinds of plants, by the number that the contract knows."""

    SOLAR = 1
    WIND = 2
    HYDRO = 3
    BIOGAS = 4
    STORED = 5
    OTHER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedInterval:
    """What was generated and consumed of one source in one interval, in Wh by participant, nobody with zero.

    generated_wh  exported energy, sold inside the community or not
    consumed_wh   bought inside the community; adds up to what was sold of it, never more than was generated. Nobody,
                  where that sum would tell a home's part
    """

    interval: DeliveryInterval
    source: Source
    generated_wh: Mapping[str, int]
    consumed_wh: Mapping[str, int]

    @property
    def certificate_id(self) -> int:
        """The contract's token id."""
        return self.interval.start_s << 8 | self.source

    @property
    def total_generated_wh(self) -> int:
        return sum(self.generated_wh.values())

    @property
    def total_consumed_wh(self) -> int:
        return sum(self.consumed_wh.values())


def certify(
    allocations: Iterable[Allocation], sources: Mapping[str, Source], *, seed: str
) -> tuple[CertifiedInterval, ...]:
    """The certified part of final allocations, by interval and source.

    sources  by metering point of the plants whose output is certified here; others' energy has no certificate
    seed     decides about single Wh between equals
    Each buyer gets of every source in proportion to what it bought; whole Wh, exact in both sums.
    """
    by_interval: dict[DeliveryInterval, list[Allocation]] = defaultdict(list)
    for allocation in allocations:
        by_interval[allocation.interval].append(allocation)
    ordered = sorted(by_interval.items(), key=lambda item: item[0].start_s)
    return tuple(
        certified for interval, settled in ordered for certified in _certify_interval(interval, settled, sources, seed)
    )


def _certify_interval(
    interval: DeliveryInterval, settled: Sequence[Allocation], sources: Mapping[str, Source], seed: str
) -> list[CertifiedInterval]:
    plants = {source: [each for each in settled if sources.get(each.metering_point) is source] for source in Source}
    generated = {source: _by_home(found, lambda each: each.export_wh) for source, found in plants.items()}
    certified = [source for source in Source if hides_homes(generated[source])]
    consumed = _consumed(settled, {source: plants[source] for source in certified}, f"{seed}:{interval.start_s}")
    return [
        CertifiedInterval(
            interval=interval, source=source, generated_wh=generated[source], consumed_wh=consumed.get(source, {})
        )
        for source in certified
    ]


def _consumed(
    settled: Sequence[Allocation], plants: Mapping[Source, Sequence[Allocation]], seed: str
) -> dict[Source, dict[str, int]]:
    """Who consumed what of each source, Wh; without the sources whose sum would tell a home's part."""
    bought = _by_home(settled, lambda each: each.bought_wh)
    buyers, wanted = list(bought), list(bought.values())
    result: dict[Source, dict[str, int]] = {}
    for source, found in plants.items():
        sold = _by_home(found, lambda each: each.sold_wh)
        unsold = _by_home(found, lambda each: each.residual_export_wh)
        # At most what is still wanted, so that no buyer's share can exceed its part (`share_out`).
        sold_wh = min(sum(sold.values()), sum(wanted))
        shares = share_out(sold_wh, wanted, buyers, seed=f"{seed}:{source}")
        parts = {buyer: share for buyer, share in zip(buyers, shares, strict=True) if share}
        if hides_homes(sold) and hides_homes(parts) and (not unsold or hides_homes(unsold)):
            wanted = [left - share for left, share in zip(wanted, shares, strict=True)]
            result[source] = parts
    # All that was traded is public: less what is published here, it must not be what one home sold either.
    published = {each.metering_point for source in result for each in plants[source]}
    others = (each for each in settled if each.metering_point not in published)
    left_over = _by_home(others, lambda each: each.sold_wh)
    return result if not left_over or hides_homes(left_over) else {}


def _by_home(settled: Iterable[Allocation], amount: Callable[[Allocation], int]) -> dict[str, int]:
    """Wh by participant, in their order, nobody with zero."""
    sums: dict[str, int] = defaultdict(int)
    for each in settled:
        sums[each.participant] += amount(each)
    return {participant: wh for participant, wh in sorted(sums.items()) if wh}


def hides_homes(parts: Mapping[str, int]) -> bool:
    """Whether the sum of these Wh by participant may be published: it tells nobody's part to within 10 %."""
    amounts = sorted((wh for wh in parts.values() if wh), reverse=True)
    return len(amounts) >= HOMES_MIN and 100 * sum(amounts[2:]) >= REST_PERCENT * amounts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """One participant's Wh by certificate id, ascending, and the salted leaf that stands for them."""

    participant: str
    wh: Mapping[int, int]
    leaf: bytes


def shares_leaf(salt: bytes, *, purpose: str, wh: Mapping[int, int]) -> bytes:
    """Leaf of a member's shares by certificate id; `purpose` is "generated" or "consumed", `salt` the batch's."""
    values: Json = {"purpose": purpose, "wh": [[identity, wh[identity]] for identity in sorted(wh)]}
    return leaf_hash(salt_for(salt, f"certificate/{purpose}") + canonical(values))


def shares_of(
    certified: Iterable[CertifiedInterval], salts: Mapping[str, bytes], *, purpose: str
) -> tuple[Shares, ...]:
    """Everybody's shares in the order of their leaves, which is that of the tree; its root goes on the chain."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for each in sorted(certified, key=lambda each: each.certificate_id):
        for participant, wh in (each.generated_wh if purpose == "generated" else each.consumed_wh).items():
            found[participant][each.certificate_id] = wh
    made = (
        Shares(participant=participant, wh=wh, leaf=shares_leaf(salts[participant], purpose=purpose, wh=wh))
        for participant, wh in found.items()
    )
    return tuple(sorted(made, key=lambda each: each.leaf))


def shares_root(leaves: Iterable[bytes]) -> bytes:
    """Root over the shares' leaves in any order."""
    return MerkleTree(sorted(leaves)).root


def corrections(metered_wh: Mapping[int, int], again: Iterable[CertifiedInterval]) -> dict[int, int]:
    """Lowered totals in Wh by certificate id: what the contract must burn down to.

    metered_wh  by certificate id, as the contract has it
    again       the same intervals, certified anew; one that can no longer be published is burned whole
    """
    now_wh = {each.certificate_id: each.total_generated_wh for each in again}
    lowered = {identity: now_wh.get(identity, 0) for identity in metered_wh}
    return {identity: wh for identity, wh in lowered.items() if wh < metered_wh[identity]}
