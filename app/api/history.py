"""A member's history over the API: the figures of the page and of the CSV."""

from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from pydantic import BaseModel

from app.access import Access, access, viewer
from app.history import HistorySpan, history_of
from app.history_csv import COLUMNS
from app.periods import Period
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import the_community

history_api = APIBlueprint("history_api", __name__, tag="Your home")


class HistorySpanAnswer(BaseModel):
    """Energy of [start_s, end_s) in Wh and its cost in cents; + is what the member pays.

    What is unshared was metered and is in no settlement. The cost with the community contains the own supplier's part.
    """

    start_s: int
    end_s: int
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int
    unshared_import_wh: int
    unshared_export_wh: int
    import_cost_cents: int
    credit_cents: int
    with_community_cents: int
    alone_cents: int
    saved_cents: int


class HistoryAnswer(BaseModel):
    """A day by hours, a month by days or a year by months; the parts add up to the total."""

    period: str
    timezone: str
    parts: list[HistorySpanAnswer]
    total: HistorySpanAnswer


@history_api.get("/history/<period>")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@history_api.output(HistoryAnswer)
@history_api.doc(security="bearer")
def history(period: str) -> HistoryAnswer:
    """Your energy and its cost in a local day (YYYY-MM-DD), month (YYYY-MM) or year (YYYY)."""
    with reading(platform().engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
        try:
            asked = Period.parse(period, zone)
        except ValueError as error:
            raise ProblemError(404, "period", f"{error}.") from error
        found = history_of(connection, viewer().id, asked)
    return HistoryAnswer(
        period=asked.key,
        timezone=zone.key,
        parts=[_answer(part) for part in found.parts],
        total=_answer(found.total),
    )


def _answer(span: HistorySpan) -> HistorySpanAnswer:
    figures = {column: getattr(span, column) for column in COLUMNS}
    return HistorySpanAnswer(start_s=span.start_s, end_s=span.end_s, **figures)
