"""Room for feed-in as it was published: behind which limit a connection stopped, and what each feeder may feed in."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.storage.store.community import Envelope, envelopes
from app.storage.store.members import metering_points

TABLE_OF_KIND = {"voltage_high": "buses", "voltage_low": "buses", "line_loading": "lines", "trafo_loading": "trafos"}

Drawing = Mapping[str, Sequence[Mapping[str, Any]]]
"""`Community.drawing_json` as it is read: buses, lines and trafos."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StoppedBy:
    """A limit of the network behind which feed-in had to stop: `grid.limits.LimitKind`, the element and its name."""

    kind: str
    element: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederRoom:
    """What the plants of one feeder that can be limited may feed in together in one interval, W.

    feeder      name of its first bus; empty for what is connected at a busbar
    stopped_by  the limits that stopped some of them
    """

    feeder: str
    plants: int
    generation_w: int
    limit_w: int
    stopped_by: tuple[StoppedBy, ...]

    @property
    def held_back_w(self) -> int:
        return self.generation_w - self.limit_w


def drawing_from(text: str | None) -> Drawing:
    """The network's picture as it is stored; empty where there is none."""
    drawing: Drawing = json.loads(text or "{}")
    return drawing


def stopped_by(envelope: Envelope, drawing: Drawing) -> StoppedBy | None:
    """The limit that stopped a connection's feed-in, by name; None where nothing did."""
    if envelope.stopped_by_kind is None or envelope.stopped_by_element is None:
        return None
    elements = drawing.get(TABLE_OF_KIND[envelope.stopped_by_kind], [])
    names = {item["id"]: str(item["name"]) for item in elements}
    element = envelope.stopped_by_element
    return StoppedBy(kind=envelope.stopped_by_kind, element=element, name=names.get(element, str(element)))


def feeder_rooms(connection: Connection, drawing: Drawing, *, start_s: int) -> tuple[FeederRoom, ...]:
    """Each feeder with a plant that can be limited, by name, in the interval that starts at `start_s`."""
    feeder_of = {bus["id"]: str(bus.get("feeder", "")) for bus in drawing.get("buses", [])}
    published = {each.metering_point_id: each for each in envelopes(connection, start_s=start_s, end_s=start_s + 1)}
    plants: dict[str, list[tuple[int, Envelope]]] = defaultdict(list)
    for point in metering_points(connection):
        if point.generation_controllable and point.bus is not None and point.id in published:
            plants[feeder_of.get(point.bus, "")].append((point.generation_w, published[point.id]))
    return tuple(
        FeederRoom(
            feeder=feeder,
            plants=len(found),
            generation_w=sum(generation_w for generation_w, _ in found),
            limit_w=sum(envelope.export_limit_w for _, envelope in found),
            stopped_by=tuple(sorted({stop for _, each in found if (stop := stopped_by(each, drawing)) is not None})),
        )
        for feeder, found in sorted(plants.items())
    )
