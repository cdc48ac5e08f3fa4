"""What goes into and comes out of the API for energy over a window."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas import INSTANT_S_MAX, NO_TEXT, Incoming

ENERGY_WH_MAX = 10**7
POWER_W_MAX = 10**6


class WindowRequest(Incoming):
    """Energy for a device between two moments. With a `window_id` of yours, a retry is the same order."""

    window_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    metering_point: str = Field(max_length=100)
    device: Literal["battery", "car", "heat_pump"]
    earliest_s: Annotated[
        int, Field(ge=0, le=INSTANT_S_MAX, description="0: from the first interval that is still open"), NO_TEXT
    ] = 0
    latest_s: Annotated[int, Field(ge=0, le=INSTANT_S_MAX), NO_TEXT]
    energy_wh: Annotated[
        int,
        Field(ge=0, le=ENERGY_WH_MAX, description="needed by latest_s; of a battery the part to trade with"),
        NO_TEXT,
    ]
    power_w: Annotated[int, Field(ge=0, le=POWER_W_MAX), NO_TEXT]
    efficiency_permille: Annotated[
        int, Field(ge=100, le=1000, description="what arrives of what is drawn; of a battery the round trip"), NO_TEXT
    ] = 1000
    limit_micro_per_kwh: (
        Annotated[
            int,
            Field(
                ge=-(10**9),
                le=10**9,
                description="most to pay, the rest is left out; null: needed in any case; of a battery the worth of a "
                "kWh that is left in it at the end",
            ),
            NO_TEXT,
        ]
        | None
    ) = None
    buffer_wh: (
        Annotated[
            int,
            Field(ge=0, le=ENERGY_WH_MAX, description="heat pump: used evenly, and made this far in advance at most"),
            NO_TEXT,
        ]
        | None
    ) = None
    stored_wh: Annotated[
        int, Field(ge=0, le=ENERGY_WH_MAX, description="battery: in this part of it at the beginning"), NO_TEXT
    ] = 0


class PlannedAnswer(BaseModel):
    """What is planned for one interval if prices come as expected: drawn (+) or given back (-)."""

    start_s: int
    energy_wh: int


class WindowAnswer(BaseModel):
    """A window as it stands, what its device drew and gave back so far, and the plan for the rest."""

    window_id: str
    metering_point: str
    device: str
    earliest_s: int
    latest_s: int
    energy_wh: int
    power_w: int
    efficiency_permille: int
    limit_micro_per_kwh: int | None
    buffer_wh: int | None
    stored_wh: int
    placed_s: int
    cancelled_s: int | None
    drawn_wh: int
    given_wh: int
    planned: list[PlannedAnswer]


class WindowsAnswer(BaseModel):
    """Your windows by their begin."""

    windows: list[WindowAnswer]
