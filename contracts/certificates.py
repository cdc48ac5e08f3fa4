"""Where the community's energy came from: certificates of what was generated, and who consumed them.

Totals of an interval and source go on the chain; members' shares lie under a salted root. A total is certified only
where several plants made it up, so that no home's output can be read from it. The unit is the Wh of the meters, which
are rounded down already; what a correction adds later is not certified.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from contracts.evidence import Json, canonical, salt_for
from contracts.merkle import MerkleTree, leaf_hash
from contracts.settlement import Allocation
from contracts.shares import share_out
from meters.interval import DeliveryInterval

PLANTS_MIN = 3
"""Plants that must have generated in an interval for its total to be published."""


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
    consumed_wh   bought inside the community; adds up to what was sold of it, never more than was generated
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
    bought: dict[str, int] = defaultdict(int)
    for each in settled:
        bought[each.participant] += each.bought_wh
    buyers = sorted(bought)
    wanted = [bought[buyer] for buyer in buyers]
    result = []
    for source in Source:
        plants = [each for each in settled if sources.get(each.metering_point) is source and each.export_wh]
        if len(plants) < PLANTS_MIN:
            continue
        generated: dict[str, int] = defaultdict(int)
        for each in plants:
            generated[each.participant] += each.export_wh
        # At most what is still wanted, so that no buyer's share can exceed its part (`share_out`).
        sold_wh = min(sum(each.sold_wh for each in plants), sum(wanted))
        shares = share_out(sold_wh, wanted, buyers, seed=f"{seed}:{interval.start_s}:{source}")
        wanted = [left - share for left, share in zip(wanted, shares, strict=True)]
        consumed = {buyer: share for buyer, share in zip(buyers, shares, strict=True) if share}
        result.append(
            CertifiedInterval(
                interval=interval, source=source, generated_wh=dict(sorted(generated.items())), consumed_wh=consumed
            )
        )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One participant's part of one interval and source, and the salted leaf that stands for it."""

    participant: str
    certificate_id: int
    wh: int
    leaf: bytes


def share_leaf(salt: bytes, *, purpose: str, certificate_id: int, wh: int) -> bytes:
    """Leaf of a member's share; `purpose` is "generated" or "consumed", `salt` the member's of this batch."""
    values: Json = {"certificate_id": certificate_id, "purpose": purpose, "wh": wh}
    return leaf_hash(salt_for(salt, f"certificate/{purpose}/{certificate_id}") + canonical(values))


def shares(certified: Iterable[CertifiedInterval], salts: Mapping[str, bytes], *, purpose: str) -> tuple[Share, ...]:
    """Everybody's shares in the order of the tree, whose root (`shares_root`) goes on the chain."""
    return tuple(
        Share(
            participant=participant,
            certificate_id=each.certificate_id,
            wh=wh,
            leaf=share_leaf(salts[participant], purpose=purpose, certificate_id=each.certificate_id, wh=wh),
        )
        for each in certified
        for participant, wh in sorted((each.generated_wh if purpose == "generated" else each.consumed_wh).items())
    )


def shares_root(parts: Sequence[Share]) -> bytes:
    """Root over the shares' leaves."""
    return MerkleTree([part.leaf for part in parts]).root


def corrections(before: Iterable[CertifiedInterval], after: Iterable[CertifiedInterval]) -> dict[int, int]:
    """Lowered totals in Wh by certificate id: what the contract must burn down to."""
    corrected = {each.certificate_id: each.total_generated_wh for each in after}
    lowered = ((each, corrected.get(each.certificate_id, 0)) for each in before)
    return {each.certificate_id: wh for each, wh in lowered if wh < each.total_generated_wh}
