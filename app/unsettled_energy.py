"""Energy metered where nobody has a supply contract: the settlement leaves it out, and operators are told."""

from collections.abc import Iterable

import structlog
from sqlalchemy import Connection

from app.storage.store.bulk import insert_all
from app.storage.store.devices import devices_by_point
from app.storage.store.readings import ALARMS
from meters.interval import IntervalEnergy

log = structlog.get_logger(__name__)


def alarm_unsettled(connection: Connection, energies: Iterable[IntervalEnergy], *, now_s: int) -> None:
    """One alarm for each metering point with energy among `energies`, which the settlement of a period left out."""
    by_point: dict[str, list[IntervalEnergy]] = {}
    for energy in energies:
        if energy.import_wh or energy.export_wh:
            by_point.setdefault(energy.metering_point, []).append(energy)
    meters = devices_by_point(connection)
    rows = []
    for point, left_out in sorted(by_point.items()):
        imported, exported = sum(each.import_wh for each in left_out), sum(each.export_wh for each in left_out)
        message = (
            f"{point}: {imported} Wh drawn and {exported} Wh fed in from {left_out[0].interval.start.isoformat()} on "
            f"are not settled: its member has no supply contract for {len(left_out)} intervals"
        )
        log.warning("energy without a supply contract", metering_point=point, import_wh=imported, export_wh=exported)
        meter = meters.get(point)
        rows.append(
            {
                "at_s": now_s,
                "kind": "no_contract",
                "device_id": point if meter is None else meter.id,
                "message": message,
                "evidence": "",
                "signed": True,
            }
        )
    if rows:
        insert_all(connection, ALARMS, rows)
