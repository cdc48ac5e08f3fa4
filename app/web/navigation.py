"""The ways through the pages of each role."""

from dataclasses import dataclass

from flask_babel import lazy_gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page in the navigation. `icon` puts it in the bar below the thumb too.

    within  endpoints that belong to this place too
    """

    endpoint: str
    label: str
    icon: str = ""
    short: str = ""
    within: tuple[str, ...] = ()
    active: bool = False


HOUSEHOLD = (
    Place(endpoint="household.home", label=lazy_gettext("Home"), icon="home"),
    Place(endpoint="household.prices", label=lazy_gettext("Prices"), icon="price", within=("household.why",)),
    Place(endpoint="household.orders", label=lazy_gettext("Trades"), icon="trades", within=("household.place",)),
    Place(
        endpoint="household.statements",
        label=lazy_gettext("Statements"),
        short=lazy_gettext("Bills"),
        icon="bill",
        within=("household.statement", "household.origin", "household.verify_bill", "household.check_bill"),
    ),
    Place(endpoint="household.history", label=lazy_gettext("History"), within=("household.history_period",)),
    Place(endpoint="household.preferences", label=lazy_gettext("Preferences"), within=("household.save_preferences",)),
    Place(endpoint="household.devices", label=lazy_gettext("Devices")),
    Place(
        endpoint="household.more",
        label=lazy_gettext("More"),
        icon="more",
        within=(
            "household.sharing",
            "household.sharing_month",
            "household.account",
            "household.ask_for_wallet",
            "household.notices",
            "household.plan",
            "household.own_data",
            "household.follow_interval",
        ),
    ),
)
OPERATOR = (
    Place(endpoint="operator.dashboard", label=lazy_gettext("Overview"), icon="overview"),
    Place(endpoint="operator.network", label=lazy_gettext("Network"), icon="network"),
    Place(endpoint="operator.rounds", label=lazy_gettext("Rounds"), icon="rounds", within=("operator.round_page",)),
    Place(endpoint="operator.devices", label=lazy_gettext("Devices"), icon="gateway"),
    Place(endpoint="operator.settlement", label=lazy_gettext("Settlement")),
    Place(endpoint="treasury.accounts", label=lazy_gettext("Accounts"), within=("treasury.import_bank",)),
    Place(
        endpoint="operator.member_list",
        label=lazy_gettext("Members"),
        within=("operator.member_page", "operator.new_member", "operator.member_files"),
    ),
    Place(
        endpoint="operator.more",
        label=lazy_gettext("More"),
        icon="more",
        within=("operator.audit_log", "operator.tariffs", "operator.look_at_tariff", "operator.add_tariff"),
    ),
)
TREASURER = (
    Place(endpoint="treasury.accounts", label=lazy_gettext("Accounts"), icon="bill", within=("treasury.import_bank",)),
)
GRID_VIEWER = tuple(place for place in OPERATOR if place.endpoint in {"operator.network", "operator.rounds"})
_BY_ROLE = {"household": HOUSEHOLD, "operator": OPERATOR, "treasurer": TREASURER, "grid_viewer": GRID_VIEWER}


def navigation(roles: frozenset[str], endpoint: str | None) -> tuple[Place, ...]:
    """The places of all roles of a person, each once, with the current one marked; empty for who is not signed in."""
    return tuple(
        Place(
            endpoint=place.endpoint,
            label=place.label,
            icon=place.icon,
            short=place.short,
            within=place.within,
            active=endpoint == place.endpoint or endpoint in place.within,
        )
        for place in dict.fromkeys(place for role, places in _BY_ROLE.items() if role in roles for place in places)
    )
