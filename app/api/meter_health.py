"""What gateways report of their meters: what is wrong with them, and how they were commissioned."""

from typing import Literal

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from app.access import Access, access, calling_gateway
from app.api.schemas import Incoming
from app.platform import platform
from app.problems import ProblemError
from app.storage.admission import CLOCK_TOLERANCE_S
from app.storage.database import writing
from app.storage.store.device_reports import DeviceReport, save_device_reports
from app.storage.store.devices import devices

health_api = APIBlueprint("health_api", __name__, tag="Gateways")


class CommissioningReport(Incoming):
    """What commissioning a meter came to, when (Unix seconds), and what stood against it."""

    outcome: Literal["passed", "refused", "open"]
    at_s: int = Field(ge=0, strict=True)
    said: str = Field(max_length=1000)


class MeterHealthReport(Incoming):
    """One meter: what is wrong with it or its inverter, empty if nothing is; null if it was never commissioned."""

    device: str
    trouble: str = Field(max_length=500)
    commissioned: CommissioningReport | None = None


class HealthReports(Incoming):
    """This gateway's meters at one moment (Unix seconds)."""

    at_s: int = Field(ge=0, strict=True)
    devices: list[MeterHealthReport] = Field(max_length=1000)


class HealthReportsAnswer(BaseModel):
    """How many meters were told of."""

    kept: int


@health_api.post("/gateway/health")
@access(Access.GATEWAY)
@health_api.input(HealthReports)
@health_api.output(HealthReportsAnswer)
@health_api.doc(responses={403: "A device of another gateway"})
def post_health(json_data: HealthReports) -> HealthReportsAnswer:
    """Keep how meters are, for the operator's page, in place of what was told before.

    A device of another gateway is refused.
    """
    gateway = calling_gateway()
    if json_data.at_s > platform().now_s() + CLOCK_TOLERANCE_S:
        raise ProblemError(422, "future", f"at_s {json_data.at_s} is in the future: set the gateway's clock")
    with writing(platform().engine) as connection:
        own = {device.id for device in devices(connection, gateway_id=gateway.id)}
        foreign = [each.device for each in json_data.devices if each.device not in own]
        if foreign:
            raise ProblemError(403, "foreign-device", f"{foreign[0]} is not a device of this gateway")
        reports = [_report(each, at_s=json_data.at_s) for each in json_data.devices]
        save_device_reports(connection, reports)
    return HealthReportsAnswer(kept=len(reports))


def _report(meter: MeterHealthReport, *, at_s: int) -> DeviceReport:
    commissioned = meter.commissioned
    return DeviceReport(
        device_id=meter.device,
        at_s=at_s,
        trouble=meter.trouble,
        commissioned_s=commissioned.at_s if commissioned else None,
        commissioning=commissioned.outcome if commissioned else "",
        commissioning_said=commissioned.said if commissioned else "",
    )
