"""Who supplied whom: a month of the community, and the member's own part of it."""

from flask import current_app, render_template, url_for
from flask_babel import gettext as _

from app.local_time import LocalMonth, month_of
from app.sharing import FEWEST_HOMES, Group, HomeKind, Sharing
from app.statements import months_with_data
from app.storage.database import reading
from app.web.charts.sankey import Flow, Sankey, sankey
from app.web.context import engine, page
from app.web.read_models.sharing import OwnSharing, SharedMonth, own_sharing, shared_month
from app.web.views.household_access import household, participant_id
from app.web.views.statements import asked_month

KEPT = "commonwatt.shared_months"


@household.get("/sharing")
def sharing() -> str:
    """The newest month in which something of the member's was settled."""
    with reading(engine()) as connection:
        months = months_with_data(connection, participant_id(), zone=page().zone, now_s=page().now_s)
    return _render(months[0] if months else month_of(page().now_s - 1, page().zone))


@household.get("/sharing/<month>")
def sharing_month(month: str) -> str:
    """One month."""
    return _render(asked_month(month))


def _render(month: LocalMonth) -> str:
    kept: dict[str, SharedMonth] = current_app.extensions.setdefault(KEPT, {})
    with reading(engine()) as connection:
        shared = shared_month(connection, month, kept)
        own = own_sharing(connection, participant_id(), month, shared)
    found = shared.sharing
    return render_template(
        "household/sharing.html",
        month=month,
        own=own,
        own_chart=own_chart(own),
        chart=None if found is None else community_chart(found),
        fewest=FEWEST_HOMES,
        is_settled=bool(shared.totals),
        previous_url=url_for("household.sharing_month", month=month.previous().key),
        next_url=url_for("household.sharing_month", month=month.next().key) if month.end_s < page().now_s else None,
    )


def group_name(group: Group | None) -> str:
    """What the homes of a group are called; None is all of them together."""
    names = {
        frozenset({HomeKind.SOLAR}): _("Homes with solar"),
        frozenset({HomeKind.STORAGE}): _("Homes with a battery"),
        frozenset({HomeKind.PLAIN}): _("Homes without solar"),
        frozenset({HomeKind.SOLAR, HomeKind.STORAGE}): _("Homes with solar or a battery"),
    }
    everybody = str(_("Neighbours"))
    return everybody if group is None else str(names.get(group, everybody))


def community_chart(found: Sharing) -> Sankey:
    """From homes and suppliers on the left to homes and the grid on the right."""
    between = [
        Flow(source=group_name(seller), target=group_name(buyer), energy_wh=wh, series="fill-neighbour")
        for (seller, buyer), wh in found.between.items()
    ]
    to_grid = [
        Flow(source=group_name(group), target=_("The grid"), energy_wh=wh, series="fill-sun")
        for group, wh in found.to_grid.items()
    ]
    supplied = [
        Flow(source=_("Suppliers"), target=group_name(group), energy_wh=wh, series="fill-supplier")
        for group, wh in found.from_suppliers.items()
    ]
    return sankey([*between, *supplied, *to_grid])


def own_chart(own: OwnSharing) -> Sankey:
    """From whom the member's energy came, and to whom it went."""
    home = _("Your home")
    return sankey(
        [
            *(
                Flow(source=group_name(each), target=home, energy_wh=wh, series="fill-neighbour")
                for each, wh in own.bought
            ),
            Flow(source=_("Your supplier"), target=home, energy_wh=own.residual_import_wh, series="fill-supplier"),
            *(
                Flow(source=_("Your solar"), target=group_name(each), energy_wh=wh, series="fill-neighbour")
                for each, wh in own.sold
            ),
            Flow(source=_("Your solar"), target=_("The grid"), energy_wh=own.residual_export_wh, series="fill-sun"),
        ]
    )
