"""A household's own figures. Every query here filters by the member who asks."""

from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from sqlalchemy import Connection

from app.access import Access, access, viewer
from app.api.schemas import (
    ContributionAnswer,
    ContributionsAnswer,
    EnergiesAnswer,
    EnergyAnswer,
    MeAnswer,
    MeteringPointAnswer,
    OriginAnswer,
    OwnReadingsAnswer,
    ReadingAnswer,
    SpanQuery,
    StatementMonth,
    StatementsAnswer,
)
from app.api.spans import checked
from app.energy_origin import origin_of
from app.local_time import LocalMonth, local_date
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.contributions import contributions_of
from app.storage.store.devices import devices_by_point
from app.storage.store.members import MeteringPoint, metering_points
from app.storage.store.readings import energies_of_points, readings_of_device
from app.storage.store.settlement import balance_of, settled_span
from contracts.transfers import member_account

YEARS = range(2000, 2100)

household_api = APIBlueprint("household_api", __name__, tag="Your home")


@household_api.get("/me")
@access(Access.SIGNED_IN, Scope.OWN_READ)
@household_api.output(MeAnswer)
def me() -> MeAnswer:
    """Who you are here, your connections and your balance."""
    person = viewer()
    with reading(platform().engine) as connection:
        points = _own_points(connection)
        balance_nano = balance_of(connection, member_account(person.id))
    return MeAnswer(
        id=person.id,
        display_name=person.display_name,
        role=person.role,
        status=person.status,
        balance_nano=balance_nano,
        metering_points=[_point(point) for point in points],
    )


@household_api.get("/energy")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@household_api.input(SpanQuery, location="query")
@household_api.output(EnergiesAnswer)
def energy(query_data: SpanQuery) -> EnergiesAnswer:
    """Your metered energy per interval, with its quality. An interval that is still missing is not listed."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        energies = energies_of_points(
            connection,
            [point.id for point in _own_points(connection)],
            start_s=span.start_s,
            end_s=span.end_s,
            minutes=the_community(connection).market_time_unit_minutes,
        )
    return EnergiesAnswer(
        energies=[
            EnergyAnswer(
                metering_point=each.metering_point,
                start_s=each.interval.start_s,
                import_wh=each.import_wh,
                export_wh=each.export_wh,
                quality=each.quality.value,
            )
            for each in energies
        ]
    )


@household_api.get("/readings")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@household_api.input(SpanQuery, location="query")
@household_api.output(OwnReadingsAnswer)
def own_readings(query_data: SpanQuery) -> OwnReadingsAnswer:
    """Your meters' registers, exactly as they were signed."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        meters = devices_by_point(connection)
        own = [meters[point.id].id for point in _own_points(connection) if point.id in meters]
        readings = [
            each
            for device in own
            for each in readings_of_device(connection, device, start_s=span.start_s, end_s=span.end_s)
        ]
    return OwnReadingsAnswer(readings=[ReadingAnswer.model_validate(asdict(each)) for each in readings])


@household_api.get("/contributions")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@household_api.input(SpanQuery, location="query")
@household_api.output(ContributionsAnswer)
def own_contributions(query_data: SpanQuery) -> ContributionsAnswer:
    """How much of each local day your meters told, and how surely."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
        first, last = (str(local_date(instant_s, zone)) for instant_s in (span.start_s, span.end_s - 1))
        meters = devices_by_point(connection)
        own = [meters[point.id].id for point in _own_points(connection) if point.id in meters]
        found = contributions_of(connection, own, first_day=first, last_day=last)
    answers = [asdict(each) | {"device": each.device_id} for each in found]
    return ContributionsAnswer(contributions=[ContributionAnswer.model_validate(answer) for answer in answers])


@household_api.get("/statements")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@household_api.output(StatementsAnswer)
def statements() -> StatementsAnswer:
    """The months for which you have a statement, newest first."""
    with reading(platform().engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
        span = settled_span(connection, [point.id for point in _own_points(connection)])
    if span is None:
        return StatementsAnswer(statements=[])
    now = datetime.fromtimestamp(platform().now_s(), zone)
    first, last = (datetime.fromtimestamp(start_s, zone) for start_s in span)
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    current = now.year * 12 + now.month - 1
    return StatementsAnswer(
        statements=[
            StatementMonth(month=f"{month // 12:04d}-{month % 12 + 1:02d}", provisional=month >= current)
            for month in reversed(months)
        ]
    )


@household_api.get("/statements/<month>/origin")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@household_api.output(OriginAnswer)
def origin(month: str) -> OriginAnswer:
    """Where your settled energy of a month (YYYY-MM, local) came from, and the certificates retired for it."""
    with reading(platform().engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
        asked = _month(month, zone)
        found = origin_of(connection, viewer().id, asked)
    by_source = ("certified", "own_certificates", "community_certified", "community_retired")
    certificates = {
        f"{name}_wh": {source.name.lower(): wh for source, wh in getattr(found, name).items()} for name in by_source
    }
    return OriginAnswer(
        month=asked.key,
        from_neighbours_wh=found.from_neighbours_wh,
        from_supplier_wh=found.from_supplier_wh,
        to_neighbours_wh=found.to_neighbours_wh,
        to_supplier_wh=found.to_supplier_wh,
        certification=found.certification.value,
        **certificates,
    )


def _month(key: str, zone: ZoneInfo) -> LocalMonth:
    try:
        month = LocalMonth.parse(key, zone)
    except ValueError as error:
        raise ProblemError(404, "no-month", f"{error}.") from error
    if month.first.year not in YEARS:
        raise ProblemError(404, "no-month", "There is nothing so far away in time.")
    return month


def _own_points(connection: Connection) -> tuple[MeteringPoint, ...]:
    return metering_points(connection, participant_id=viewer().id)


def _point(point: MeteringPoint) -> MeteringPointAnswer:
    own = {name: value for name, value in asdict(point).items() if name not in {"participant_id", "bus"}}
    return MeteringPointAnswer.model_validate(own)
