"""Reading pandapower's tables: rows in service, and what to call one of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet
    from pandas import DataFrame


def in_service(net: "pandapowerNet", table: str) -> "DataFrame":
    """Rows of a table that are in service."""
    rows = net[table]
    return rows[rows.in_service.astype(bool)]


def label(net: "pandapowerNet", table: str, index: int) -> str:
    """Table and index, and the name where there is one."""
    name = net[table].name.get(index)
    return f"{table} {index} ({name})" if isinstance(name, str) and name else f"{table} {index}"
