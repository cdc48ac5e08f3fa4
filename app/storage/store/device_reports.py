"""What gateways last told of their meters."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete

from app.storage import tables
from app.storage.tables import core_table

DEVICE_REPORTS = core_table(tables.DeviceReportRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """One meter as its gateway told at `at_s`.

    trouble        what is wrong with the meter or its inverter; empty if nothing is
    commissioning  passed, refused or open, with when and what stood against it; empty if it was never commissioned
    """

    device_id: str
    at_s: int
    trouble: str = ""
    commissioned_s: int | None = None
    commissioning: str = ""
    commissioning_said: str = ""


def save_device_reports(connection: Connection, reports: Sequence[DeviceReport]) -> None:
    """Keep these in place of what was told of the same devices before."""
    if not reports:
        return
    told = {report.device_id: report for report in reports}
    connection.execute(delete(DEVICE_REPORTS).where(DEVICE_REPORTS.c.device_id.in_(list(told))))
    connection.execute(DEVICE_REPORTS.insert(), [asdict(report) for report in told.values()])
