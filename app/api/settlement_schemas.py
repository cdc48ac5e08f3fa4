"""What the API says of settlement runs."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.api.schemas import Incoming

Month = Annotated[str, Field(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$", description="YYYY-MM, local")]


class RunAgain(Incoming):
    """Which month to settle again."""

    month: Month


class GapAnswer(BaseModel):
    """Settled intervals of a metering point without a value (missing), or with one that no meter gave (guessed)."""

    metering_point: str
    missing: int
    guessed: int
    first_start_s: int


class RunAnswer(BaseModel):
    """One run of a month: scheduled, waiting, complete or incomplete. Figures are null until it was made."""

    kind: str
    state: str
    name: str | None
    due_s: int | None
    ran_s: int | None
    actor: str | None
    intervals_changed: int | None
    transfers_posted: int | None
    moved_nano: int | None
    waits_for: str


class MonthAnswer(BaseModel):
    """A month with its runs and the data that are missing now."""

    month: str
    days_settled: int
    days_incomplete: int
    runs: list[RunAnswer]
    missing: list[GapAnswer]


class MonthsAnswer(BaseModel):
    """Months with something settled, newest first."""

    months: list[MonthAnswer]
