"""Where a member's energy of a month came from."""

from flask import render_template, url_for
from flask_babel import gettext as _

from app.energy_origin import EnergyOrigin, origin_of
from app.storage.database import reading
from app.web.charts.shares_bar import shares_bar
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id
from app.web.views.statements import asked_month
from contracts.certificates import Source


@household.get("/statements/<month>/origin")
def origin(month: str) -> str:
    """The shares of neighbours and supplier, and the certificates that were retired for them."""
    asked = asked_month(month)
    with reading(engine()) as connection:
        found = origin_of(connection, participant_id(), asked)
    return render_template(
        "household/origin.html",
        origin=found,
        month=asked,
        source_text=source_text(),
        bar=shares_bar(_series(found)),
        previous_url=url_for("household.origin", month=asked.previous().key),
        next_url=url_for("household.origin", month=asked.next().key) if asked.end_s <= page().now_s else None,
    )


def source_text() -> dict[Source, str]:
    """Sources in the reader's words."""
    return {
        Source.SOLAR: _("Neighbours' solar"),
        Source.WIND: _("Neighbours' wind"),
        Source.HYDRO: _("Neighbours' water power"),
        Source.BIOGAS: _("Neighbours' biogas"),
        Source.STORED: _("Neighbours' batteries and plants behind them"),
        Source.OTHER: _("Neighbours' other plants"),
    }


def _series(found: EnergyOrigin) -> list[tuple[str, int]]:
    return [
        ("fill-sun", found.certified_wh),
        ("fill-neighbour", found.uncertified_wh),
        ("fill-supplier", found.from_supplier_wh),
    ]
