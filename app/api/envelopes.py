"""Operating envelopes: a household's own, and for operators what each feeder has room for."""

from dataclasses import asdict

from apiflask import APIBlueprint

from app.access import Access, access, viewer
from app.api.schemas import (
    EnvelopeAnswer,
    EnvelopesAnswer,
    FeederRoomAnswer,
    FeederRoomsAnswer,
    IntervalQuery,
    SpanQuery,
    StoppedByAnswer,
)
from app.api.spans import checked
from app.feeder_room import Drawing, drawing_from, feeder_rooms, stopped_by
from app.platform import platform
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import Envelope, envelopes, the_community
from app.storage.store.members import metering_points

envelope_api = APIBlueprint("envelope_api", __name__, tag="Envelopes")


@envelope_api.get("/envelopes")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@envelope_api.input(SpanQuery, location="query")
@envelope_api.output(EnvelopesAnswer)
def own_envelopes(query_data: SpanQuery) -> EnvelopesAnswer:
    """Import and export limits of your connections per interval, W, and what stopped your feed-in."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        own = {point.id for point in metering_points(connection, participant_id=viewer().id)}
        published = envelopes(connection, start_s=span.start_s, end_s=span.end_s, points=own)
        drawing = drawing_from(the_community(connection).drawing_json)
    return EnvelopesAnswer(envelopes=[_answer(each, drawing) for each in published])


@envelope_api.get("/envelopes/feeders")
@access(Access.GRID, Scope.OPERATOR_READ)
@envelope_api.input(IntervalQuery, location="query")
@envelope_api.output(FeederRoomsAnswer)
def feeders(query_data: IntervalQuery) -> FeederRoomsAnswer:
    """What the plants of each feeder may feed in together in one interval, and which limits stop them."""
    with reading(platform().engine) as connection:
        drawing = drawing_from(the_community(connection).drawing_json)
        rooms = feeder_rooms(connection, drawing, start_s=query_data.start)
    return FeederRoomsAnswer(feeders=[FeederRoomAnswer.model_validate(asdict(room)) for room in rooms])


def _answer(envelope: Envelope, drawing: Drawing) -> EnvelopeAnswer:
    stop = stopped_by(envelope, drawing)
    return EnvelopeAnswer(
        metering_point=envelope.metering_point_id,
        start_s=envelope.start_s,
        import_limit_w=envelope.import_limit_w,
        export_limit_w=envelope.export_limit_w,
        stopped_by=None if stop is None else StoppedByAnswer.model_validate(asdict(stop)),
    )
