"""Shared quantities that the operator of the grid computed; a later figure for an interval replaces the earlier."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select

from app.storage import tables
from app.storage.store.bulk import insert_all
from app.storage.tables import core_table

QUANTITIES = core_table(tables.GridQuantityRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridQuantity:
    """What a metering point bought from and sold to neighbours in the interval that starts at start_s, Wh."""

    metering_point_id: str
    start_s: int
    bought_wh: int
    sold_wh: int


def replace_quantities(connection: Connection, quantities: Collection[GridQuantity], *, received_s: int) -> None:
    """Store what the operator of the grid computed, in the place of all it said of the same intervals before."""
    for start_s in sorted({each.start_s for each in quantities}):
        connection.execute(delete(QUANTITIES).where(QUANTITIES.c.start_s == start_s))
    insert_all(connection, QUANTITIES, (asdict(each) | {"received_s": received_s} for each in quantities))


def quantities_at(connection: Connection, start_s: int) -> dict[str, GridQuantity]:
    """The quantities of one interval by metering point; empty as long as nobody computed them."""
    columns = [QUANTITIES.c[name] for name in GridQuantity.__dataclass_fields__]
    rows = connection.execute(select(*columns).where(QUANTITIES.c.start_s == start_s)).mappings()
    return {str(row["metering_point_id"]): GridQuantity(**row) for row in rows}
