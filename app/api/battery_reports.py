"""What gateways report of the batteries behind their meters."""

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from app.access import Access, access, calling_gateway
from app.agents.battery import BatteryLook
from app.platform import platform
from app.problems import ProblemError
from app.storage.admission import CLOCK_TOLERANCE_S
from app.storage.database import writing
from app.storage.store.devices import devices
from app.storage.store.outcomes import save_battery_looks

BATTERY_WH_MAX = 100_000_000
battery_api = APIBlueprint("battery_api", __name__, tag="Gateways")


class BatteryReport(BaseModel):
    """Energy in one battery, Wh."""

    device: str
    stored_wh: int = Field(ge=0, le=BATTERY_WH_MAX, strict=True)


class BatteryReports(BaseModel):
    """Batteries behind this gateway's devices, at one moment (Unix seconds)."""

    at_s: int = Field(ge=0, strict=True)
    batteries: list[BatteryReport] = Field(max_length=1000)


class BatteryReportsAnswer(BaseModel):
    """How many reports were kept."""

    kept: int


@battery_api.post("/gateway/batteries")
@access(Access.GATEWAY)
@battery_api.input(BatteryReports)
@battery_api.output(BatteryReportsAnswer)
@battery_api.doc(responses={403: "A device of another gateway"})
def post_batteries(json_data: BatteryReports) -> BatteryReportsAnswer:
    """Keep what batteries hold: the agents offer what a home did not need. A device of another gateway is refused."""
    gateway = calling_gateway()
    if json_data.at_s > platform().now_s() + CLOCK_TOLERANCE_S:
        raise ProblemError(422, "future", f"at_s {json_data.at_s} is in the future: set the gateway's clock")
    with writing(platform().engine) as connection:
        point_of = {each.id: each.metering_point_id for each in devices(connection, gateway_id=gateway.id)}
        foreign = [each.device for each in json_data.batteries if each.device not in point_of]
        if foreign:
            raise ProblemError(403, "foreign-device", f"{foreign[0]} is not a device of this gateway")
        looks = {
            point_of[each.device]: BatteryLook(at_s=json_data.at_s, stored_wh=each.stored_wh)
            for each in json_data.batteries
        }
        save_battery_looks(connection, looks)
    return BatteryReportsAnswer(kept=len(looks))
