"""Where a member's energy of a month came from: neighbours, with certificates or without, and the own supplier.

The page, the statement and the API show these figures. What a roof gives its own home passes no meter and is in none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, select

from app.local_time import LocalMonth
from app.storage.store.certificates import certificates_between, metered_wh, parts_of_member
from app.storage.store.members import metering_points
from app.storage.store.settlement import ALLOCATIONS
from contracts.certificates import Source

SOURCE_BITS = 0xFF
"""The lowest byte of a certificate's id."""


class Certification(StrEnum):
    """AWAITED before the month's final run, RUNNING until everything is on the chain, and then DONE."""

    AWAITED = "awaited"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOrigin:
    """A member's settled energy of a month in Wh, all metering points together.

    certified         what was bought from neighbours, by source, for which certificates are retired; 0 until DONE
    own_certificates  for what the own plants fed in, by source
    community_certified, community_retired  of the whole community's month, by source, less corrections
    """

    month: LocalMonth
    from_neighbours_wh: int
    from_supplier_wh: int
    to_neighbours_wh: int
    to_supplier_wh: int
    certification: Certification
    certified: Mapping[Source, int]
    own_certificates: Mapping[Source, int]
    community_certified: Mapping[Source, int]
    community_retired: Mapping[Source, int]

    @property
    def drawn_wh(self) -> int:
        return self.from_neighbours_wh + self.from_supplier_wh

    @property
    def certified_wh(self) -> int:
        return sum(self.certified.values())

    @property
    def uncertified_wh(self) -> int:
        """Bought from neighbours without a certificate."""
        return self.from_neighbours_wh - self.certified_wh


def origin_of(connection: Connection, participant_id: str, month: LocalMonth) -> EnergyOrigin:
    """The origin of a member's month as far as it is settled."""
    bought, supplied, sold, fed_in = _settled(connection, participant_id, month)
    batches = certificates_between(connection, start_s=month.start_s, end_s=month.end_s)
    retired = [batch for batch in batches if batch.state == "final"]
    parts = [part for _, part in parts_of_member(connection, participant_id, [batch.sequence for batch in retired])]
    state = Certification.RUNNING if len(retired) < len(batches) else Certification.DONE
    return EnergyOrigin(
        month=month,
        from_neighbours_wh=bought,
        from_supplier_wh=supplied,
        to_neighbours_wh=sold,
        to_supplier_wh=fed_in,
        certification=state if batches else Certification.AWAITED,
        certified=_by_source(part.consumed_wh for part in parts),
        own_certificates=_by_source(part.generated_wh for part in parts),
        community_certified=_by_source(metered_wh(connection, batch) for batch in retired),
        community_retired=_by_source(batch.consumed_wh for batch in retired),
    )


def _settled(connection: Connection, participant_id: str, month: LocalMonth) -> tuple[int, int, int, int]:
    """Bought from neighbours and the supplier, sold to neighbours and the supplier, Wh."""
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    names = ("bought_wh", "residual_import_wh", "sold_wh", "residual_export_wh")
    query = select(*(func.coalesce(func.sum(ALLOCATIONS.c[name]), 0) for name in names)).where(
        ALLOCATIONS.c.metering_point_id.in_(points),
        ALLOCATIONS.c.start_s >= month.start_s,
        ALLOCATIONS.c.start_s < month.end_s,
    )
    bought, supplied, sold, fed_in = connection.execute(query).one()
    return int(bought), int(supplied), int(sold), int(fed_in)


def _by_source(certificates: Iterable[Mapping[int, int]]) -> dict[Source, int]:
    """Wh by source, in the sources' order, none with zero."""
    sums: dict[Source, int] = defaultdict(int)
    for wh in certificates:
        for identity, amount in wh.items():
            sums[Source(identity & SOURCE_BITS)] += amount
    return {source: sums[source] for source in Source if sums[source]}
