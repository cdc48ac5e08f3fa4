"""Prices and today's energy for programs at home: evcc's tariffs and sensors of Home Assistant."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from flask import Response, jsonify
from pydantic import BaseModel

from app.access import Access, access, viewer
from app.api.files import Answers
from app.errors import InputError
from app.local_time import day_of
from app.platform import platform
from app.price_feed import PricedInterval, priced_intervals
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.rounds import find_round
from app.web.read_models.energy import energy_of

HOURS_AHEAD = 48
MICRO_PER_UNIT = 1_000_000
RATES: Answers = {
    200: {
        "description": "Currency per kWh, VAT and charges included, by interval: the form of evcc's custom tariffs",
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["start", "end", "value"],
                        "properties": {
                            "start": {"type": "string", "format": "date-time"},
                            "end": {"type": "string", "format": "date-time"},
                            "value": {"type": "number"},
                        },
                    },
                },
                "example": [{"start": "2025-06-16T12:00:00Z", "end": "2025-06-16T12:15:00Z", "value": 0.2867}],
            }
        },
    },
    409: {"description": "You have no connection with a supply contract now"},
}

feed_api = APIBlueprint("feed_api", __name__, tag="Files")


class NowAnswer(BaseModel):
    """The present for one home: prices of this interval and the next, VAT and charges included, and today's energy.

    `light` is the network's: green, amber, red, or null while the interval's round is not cleared.
    """

    start_s: int
    price_micro_per_kwh: int
    next_price_micro_per_kwh: int
    sell_price_micro_per_kwh: int
    light: str | None
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int


@feed_api.get("/evcc/grid")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@feed_api.doc(responses=RATES)
def evcc_grid() -> Response:
    """What a kWh costs you, for the next two days, as evcc reads it."""
    return jsonify([_rate(each, each.buy_micro_per_kwh) for each in _prices(HOURS_AHEAD)])


@feed_api.get("/evcc/feed-in")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@feed_api.doc(responses=RATES)
def evcc_feed_in() -> Response:
    """What a kWh brings you, for the next two days, as evcc reads it."""
    return jsonify([_rate(each, each.sell_micro_per_kwh) for each in _prices(HOURS_AHEAD)])


@feed_api.get("/now")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@feed_api.output(NowAnswer)
@feed_api.doc(responses={409: "You have no connection with a supply contract now"})
def now() -> NowAnswer:
    """Price now and next, the network's light, and your energy of today."""
    present_s = platform().now_s()
    present, following, *_ = _prices(2)
    with reading(platform().engine) as connection:
        community = the_community(connection)
        interval_s = community.market_time_unit_s
        today = day_of(present_s, ZoneInfo(community.timezone), interval_s)
        found = find_round(connection, present.start_s)
        energy = energy_of(
            connection,
            viewer().id,
            start_s=today.start_s,
            end_s=today.end_s,
            now_s=present_s,
            interval_s=interval_s,
        )
    return NowAnswer(
        start_s=present.start_s,
        price_micro_per_kwh=present.buy_micro_per_kwh,
        next_price_micro_per_kwh=following.buy_micro_per_kwh,
        sell_price_micro_per_kwh=present.sell_micro_per_kwh,
        light=None if found is None else found.status,
        import_wh=energy.import_wh,
        export_wh=energy.export_wh,
        bought_wh=energy.bought_wh,
        sold_wh=energy.sold_wh,
    )


def _prices(hours: int) -> tuple[PricedInterval, ...]:
    try:
        with reading(platform().engine) as connection:
            return priced_intervals(connection, viewer().id, now_s=platform().now_s(), hours=hours)
    except InputError as error:
        raise ProblemError(409, "no-price", f"{error}.") from error


def _rate(each: PricedInterval, micro_per_kwh: int) -> dict[str, str | float]:
    return {"start": _iso(each.start_s), "end": _iso(each.end_s), "value": micro_per_kwh / MICRO_PER_UNIT}


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
