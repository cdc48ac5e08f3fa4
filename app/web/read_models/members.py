"""Members as operators need them: contact, equipment and contracts. No home's consumption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from app.membership import FOR_EVER_S
from app.storage.store.by_hand import is_by_hand
from app.storage.store.devices import Device, devices_by_point
from app.storage.store.members import (
    CONTRACTS,
    PARTICIPANTS,
    POINTS,
    MeteringPoint,
    Participant,
    SupplyContract,
    contracts_of,
    metering_points,
    participant,
)
from app.storage.store.vat_classes import VatHistory, changed_classes_at, vat_history

LOW_VOLTAGE_KV = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A member in the list. first_s, end_s: when contracts begin and end, None without any and without an end."""

    id: str
    display_name: str
    email: str | None
    status: str
    vat_class: str
    points: int
    generation_w: int
    battery_wh: int
    first_s: int | None
    end_s: int | None

    def standing(self, now_s: int) -> str:
        """suspended, joins, left, leaves or member."""
        if self.status != "active":
            return "suspended"
        if self.first_s is None or self.first_s > now_s:
            return "joins"
        if self.end_s is None:
            return "member"
        return "left" if self.end_s <= now_s else "leaves"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointWithMeter:
    """A metering point and the meter behind it, None where there is none yet."""

    point: MeteringPoint
    device: Device | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDetail:
    """One member in full; by_hand says whether operators keep the member in the browser."""

    person: Participant
    row: MemberRow
    connections: tuple[PointWithMeter, ...]
    contracts: tuple[SupplyContract, ...]
    vat: VatHistory
    by_hand: bool


def members(connection: Connection, *, now_s: int, participant_id: str | None = None) -> tuple[MemberRow, ...]:
    """Every household by id, or one, with the VAT class of now."""
    classes = changed_classes_at(connection, now_s)
    plants = (
        select(
            POINTS.c.participant_id,
            func.count().label("points"),
            func.sum(POINTS.c.generation_w).label("generation_w"),
            func.sum(POINTS.c.battery_wh).label("battery_wh"),
        )
        .group_by(POINTS.c.participant_id)
        .subquery()
    )
    spans = (
        select(
            CONTRACTS.c.participant_id,
            func.min(CONTRACTS.c.valid_from_s).label("first_s"),
            func.max(func.coalesce(CONTRACTS.c.valid_to_s, FOR_EVER_S)).label("end_s"),
        )
        .group_by(CONTRACTS.c.participant_id)
        .subquery()
    )
    query = (
        select(
            PARTICIPANTS, plants.c.points, plants.c.generation_w, plants.c.battery_wh, spans.c.first_s, spans.c.end_s
        )
        .outerjoin(plants, plants.c.participant_id == PARTICIPANTS.c.id)
        .outerjoin(spans, spans.c.participant_id == PARTICIPANTS.c.id)
        .where(PARTICIPANTS.c.role == "household")
        .order_by(PARTICIPANTS.c.id)
    )
    if participant_id is not None:
        query = query.where(PARTICIPANTS.c.id == participant_id)
    return tuple(
        MemberRow(
            id=row.id,
            display_name=row.display_name,
            email=row.email,
            status=row.status,
            vat_class=classes.get(row.id, row.vat_class),
            points=row.points or 0,
            generation_w=int(row.generation_w or 0),
            battery_wh=int(row.battery_wh or 0),
            first_s=row.first_s,
            end_s=None if row.end_s == FOR_EVER_S else row.end_s,
        )
        for row in connection.execute(query)
    )


def member_detail(connection: Connection, member_id: str, *, now_s: int) -> MemberDetail | None:
    """One member; None if there is none of that name."""
    rows, person = members(connection, now_s=now_s, participant_id=member_id), participant(connection, member_id)
    if not rows or person is None:
        return None
    devices = devices_by_point(connection)
    return MemberDetail(
        person=person,
        row=rows[0],
        connections=tuple(
            PointWithMeter(point=point, device=devices.get(point.id))
            for point in metering_points(connection, participant_id=member_id)
        ),
        contracts=contracts_of(connection, member_id),
        vat=vat_history(connection, member_id),
        by_hand=is_by_hand(connection, member_id),
    )


def low_buses(drawing: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the buses below 1 kV, at which homes are connected; the index where a name stands twice."""
    low = [bus for bus in drawing.get("buses", []) if bus["vn_kv"] < LOW_VOLTAGE_KV]
    names = [str(bus["name"]) for bus in low]
    return tuple(name if names.count(name) == 1 else str(bus["id"]) for name, bus in zip(names, low, strict=True))
