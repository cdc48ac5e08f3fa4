"""What a connection may feed in, and why, in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from app.feeder_room import Drawing, StoppedBy, stopped_by
from app.languages import marked
from app.storage.store.community import Envelope
from app.storage.store.members import MeteringPoint
from app.web.formats import Formats

BECAUSE = {
    "voltage_high": marked(
        "You may feed in up to %(limit)s between %(start)s and %(end)s, of %(plant)s that your plant can give, because "
        "at %(name)s the voltage would rise above its limit if the plants around it fed in more."
    ),
    "voltage_low": marked(
        "You may feed in up to %(limit)s between %(start)s and %(end)s, of %(plant)s that your plant can give, because "
        "at %(name)s the voltage would fall below its limit otherwise."
    ),
    "line_loading": marked(
        "You may feed in up to %(limit)s between %(start)s and %(end)s, of %(plant)s that your plant can give, because "
        "the line %(name)s would carry too much if the plants behind it fed in more."
    ),
    "trafo_loading": marked(
        "You may feed in up to %(limit)s between %(start)s and %(end)s, of %(plant)s that your plant can give, because "
        "the transformer %(name)s would carry too much if the plants behind it fed in more."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOfInterval:
    """A connection's feed-in limit in one interval, W, and the sentence that explains it."""

    metering_point_id: str
    start_s: int
    limit_w: int
    is_limited: bool
    sentence: str


def rooms_of(
    points: Sequence[MeteringPoint], published: Sequence[Envelope], drawing: Drawing, fmt: Formats, *, minutes: int
) -> tuple[RoomOfInterval, ...]:
    """The rooms of those points whose feed-in the network can limit, by interval."""
    plants = {point.id: point for point in points if point.generation_controllable}
    return tuple(
        RoomOfInterval(
            metering_point_id=each.metering_point_id,
            start_s=each.start_s,
            limit_w=each.export_limit_w,
            is_limited=each.export_limit_w < plants[each.metering_point_id].generation_w,
            sentence=_sentence(each, plants[each.metering_point_id], stopped_by(each, drawing), fmt, minutes),
        )
        for each in published
        if each.metering_point_id in plants
    )


def kilowatts(power_w: int, fmt: Formats) -> str:
    """A power with its unit: 7.3 kW. Rounded down: a limit is never shown higher than it is."""
    return f"{fmt.number(power_w // 100 / 10, 1)} kW"


def _sentence(envelope: Envelope, point: MeteringPoint, stop: StoppedBy | None, fmt: Formats, minutes: int) -> str:
    values = {
        "limit": kilowatts(envelope.export_limit_w, fmt),
        "start": fmt.time(envelope.start_s),
        "end": fmt.time(envelope.start_s + minutes * 60),
    }
    if envelope.export_limit_w >= point.generation_w:
        return _(
            "You may feed in up to %(limit)s between %(start)s and %(end)s, which is all your plant can give: the "
            "network has room for it.",
            **values,
        )
    if stop is None:
        return _(
            "You may feed in up to %(limit)s between %(start)s and %(end)s, because the network is at its limits "
            "already by what flows anyway.",
            **values,
        )
    return _(BECAUSE[stop.kind], **values, name=stop.name, plant=kilowatts(point.generation_w, fmt))
