"""Members as the configuration lists them: added, changed, suspended when they are gone from it, and never deleted."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from app.community_settings import MemberSettings
from app.errors import InputError
from app.meter_places import LOCAL_GATEWAY, device_id_of, point_id_of
from app.storage.store.by_hand import members_by_hand, no_longer_by_hand
from app.storage.store.community import the_community
from app.storage.store.devices import Device, add_device, change_device, devices_by_point
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    SupplyContract,
    add_contract,
    add_metering_point,
    add_participant,
    change_metering_point,
    change_participant,
    contract_at,
    end_contract,
    metering_point,
    participant,
    participants,
    set_status,
)
from app.storage.store.rounds import last_round_start_s
from app.storage.store.vat_classes import vat_history
from app.vat_classes import plan_vat_class
from meters.interval import DeliveryInterval

OPERATOR_ID = "operator"
MEMBER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
log = structlog.get_logger(__name__)

GATES_SHUT = 2
"""Intervals from the current one on whose book may be frozen: the current and the next."""
FOR_EVER_S = 1 << 60
"""Later than any contract ends that has an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When the configuration is applied, and from when changes and new members count."""

    now_s: int
    minutes: int

    @property
    def current(self) -> DeliveryInterval:
        return DeliveryInterval.containing(datetime.fromtimestamp(self.now_s, UTC), self.minutes)

    @property
    def joined_s(self) -> int:
        """New members count from the next interval on: it is the first that is metered from its beginning."""
        return self.current.shifted(1).start_s

    @property
    def changed_s(self) -> int:
        """Changes hold from the first interval whose gate is still open."""
        return self.current.shifted(GATES_SHUT).start_s


def id_problem(member_id: str) -> str | None:
    """Why nobody can have this identifier, None if somebody can."""
    if not MEMBER_ID.fullmatch(member_id) or member_id == OPERATOR_ID:
        return f"use up to 40 letters, digits, - and _, and not {OPERATOR_ID}"
    return None


def keep_member(
    connection: Connection, member: MemberSettings, bus: int, moment: Moment, *, joined_s: int
) -> list[str]:
    """Add a member, connected at `bus`, or bring a known one up to date; what was done, a line each."""
    known = participant(connection, member.id)
    no_longer_by_hand(connection, member.id)
    person = Participant(
        id=member.id,
        display_name=member.name,
        email=member.email.strip().lower() or None,
        vat_class=member.vat_class,
        lane=next_lane(connection) if known is None else known.lane,
        created_s=moment.now_s,
    )
    point = MeteringPoint(
        id=point_id_of(member.id),
        participant_id=member.id,
        bus=bus,
        phase=member.phase,
        connection_w=member.connection_w,
        generation_w=member.generation_w,
        generation_controllable=member.generation_controllable,
        generation_source=member.generation_source,
        battery_wh=member.battery_wh,
        battery_w=member.battery_w,
    )
    if known is None:
        if member.vat_class_from is not None and _begins_s(connection, member.vat_class_from) > joined_s:
            raise InputError(f"member {member.id}: vat_class_from is to come, but a new member has no class before it")
        add_participant(connection, person)
        add_metering_point(connection, point)
        done = [f"member {member.id} added"]
    else:
        done = _changed(connection, known, person, point)
        done += _vat_class(connection, member, moment)
    has_left = contract_at(connection, member.id, FOR_EVER_S) is None
    if known is not None and has_left:
        set_status(connection, member.id, "active")
        done.append(f"member {member.id} is back")
    done += _contract(connection, member, valid_from_s=joined_s if has_left else moment.changed_s, is_first=has_left)
    return done + _device(connection, member, point)


def _changed(connection: Connection, known: Participant, person: Participant, point: MeteringPoint) -> list[str]:
    if known.role != "household":
        raise InputError(f"members: id {person.id!r} is the operator's: choose another")
    done = []
    told = ("display_name", "email")
    if any(getattr(known, name) != getattr(person, name) for name in told):
        change_participant(connection, person)
        done.append(f"member {person.id} changed: name or email")
    if metering_point(connection, point.id) != point:
        change_metering_point(connection, point)
        done.append(f"member {person.id} changed: connection or plants")
    return done


def _vat_class(connection: Connection, member: MemberSettings, moment: Moment) -> list[str]:
    """The class that the configuration names, from its day or the first open gate on. Raises InputError.

    A class that the member had before and that operators have changed since does not come back by a start.
    """
    history, day = vat_history(connection, member.id), member.vat_class_from
    from_s = moment.changed_s if day is None else _begins_s(connection, day)
    if history.at(from_s) == member.vat_class:
        return []
    if day is None and member.vat_class in history.held_until(moment.changed_s):
        log.warning(
            "the VAT class of the file was changed since: name vat_class_from to come back to it",
            member=member.id,
            vat_class=history.at(from_s),
        )
        return []
    if from_s < moment.changed_s:
        raise InputError(
            f"member {member.id}: vat_class_from has passed: a tax class never changes past bills, "
            "name a day to come or leave it out"
        )
    line = plan_vat_class(connection, member.id, member.vat_class, from_s=from_s)
    return [] if line is None else [line]


def _begins_s(connection: Connection, day: date) -> int:
    return int(datetime.combine(day, time(0), ZoneInfo(the_community(connection).timezone)).timestamp())


def next_lane(connection: Connection) -> int:
    """The balance slot of whoever joins next."""
    return 1 + max((person.lane for person in participants(connection) if person.lane is not None), default=-1)


def _contract(connection: Connection, member: MemberSettings, *, valid_from_s: int, is_first: bool) -> list[str]:
    wanted = SupplyContract(
        participant_id=member.id,
        supplier_price_micro_per_kwh=member.supplier_price_micro_per_kwh,
        feed_in_price_micro_per_kwh=member.feed_in_price_micro_per_kwh,
        valid_from_s=valid_from_s,
    )
    known = contract_at(connection, member.id, valid_from_s)
    if not is_first and known is not None and _prices(known) == _prices(wanted):
        return []
    end_contract(connection, member.id, end_s=valid_from_s)
    add_contract(connection, wanted)
    when = datetime.fromtimestamp(valid_from_s, UTC)
    return [] if is_first else [f"member {member.id} has new supplier prices from {when:%Y-%m-%d %H:%M} UTC"]


def _prices(contract: SupplyContract) -> tuple[int, int]:
    return contract.supplier_price_micro_per_kwh, contract.feed_in_price_micro_per_kwh


def _device(connection: Connection, member: MemberSettings, point: MeteringPoint) -> list[str]:
    if member.meter is None:
        return []
    wanted = Device(
        id=device_id_of(member.id),
        metering_point_id=point.id,
        gateway_id=member.meter.gateway or LOCAL_GATEWAY,
        profile=member.meter.profile,
    )
    known = devices_by_point(connection).get(point.id)
    if known is None:
        add_device(connection, wanted)
        return []
    if known == wanted:
        return []
    change_device(connection, wanted)
    return [f"meter {wanted.id} is now a {wanted.profile}, read by gateway {wanted.gateway_id}"]


def suspend_who_left(connection: Connection, members: tuple[MemberSettings, ...], moment: Moment) -> list[str]:
    """Suspend who is not configured any more nor kept by hand. Rounds with their orders are settled."""
    staying = {member.id for member in members} | members_by_hand(connection)
    gone = [
        person.id
        for person in participants(connection, role="household")
        if person.id not in staying and contract_at(connection, person.id, FOR_EVER_S) is not None
    ]
    last_s = last_round_start_s(connection)
    end_s = moment.joined_s if last_s is None else max(moment.joined_s, last_s + moment.minutes * 60)
    for person_id in gone:
        set_status(connection, person_id, "suspended")
        end_contract(connection, person_id, end_s=end_s)
    return [f"member {person_id} is not in the configuration any more: suspended" for person_id in gone]
