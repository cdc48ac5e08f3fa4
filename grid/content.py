"""A fingerprint of what a network is: the same for the same cables, transformers, switches and names."""

import hashlib
import math
from typing import TYPE_CHECKING

from grid.soundness import INJECTION_TABLES

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

NOT_ELECTRICAL = frozenset({*INJECTION_TABLES, "measurement", "pwl_cost", "poly_cost", "controller", "group"})
DRAWING_COLUMNS = frozenset({"geo", "coords"})


def network_digest(net: "pandapowerNet") -> str:
    """SHA-256 (hex) over every table that a power flow without the network's own injections reads.

    One line for each value that is there: table, column, index of the element and value, parted by tabs, in the order
    of the first three; numbers as Python writes them, whole ones without a point. Results, drawings and what injects
    are left out: they may change.
    """
    from pandas import DataFrame

    lines = [f"f_hz\t{_text(net.f_hz)}", f"sn_mva\t{_text(net.sn_mva)}"]
    for table in sorted(name for name in net if isinstance(net[name], DataFrame)):
        if table.startswith(("_", "res_")) or table in NOT_ELECTRICAL or table == "bus_geodata":
            continue
        for column in sorted(set(map(str, net[table].columns)) - DRAWING_COLUMNS):
            values = zip(net[table].index.tolist(), net[table][column].tolist(), strict=True)
            lines += [f"{table}\t{column}\t{at}\t{text}" for at, value in sorted(values) if (text := _text(value))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _text(value: object) -> str:
    """A value as text; nothing for what is missing or false, which tables of other versions may not have at all."""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return "" if math.isnan(value) else str(value)
        return str(int(value)) if value == int(value) else repr(float(value))
    text = str(value)
    return "" if text in {"None", "<NA>", "nan", ""} else text
