"""Members whom operators keep in the browser: who joins with which connections, new contracts, and the end.

A community has one list of members: those of the configuration and those kept here. Who stands in both is the
configuration's. Nothing is ever deleted, and nothing reaches into intervals whose gate has closed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.community_settings import MemberSettings
from app.errors import InputError
from app.market_choice import choice_at
from app.membership import FOR_EVER_S, Moment, id_problem, next_lane
from app.meter_places import device_id_of, point_id_of
from app.storage.store.by_hand import add_by_hand, is_by_hand
from app.storage.store.community import tariff_json_at, the_community
from app.storage.store.devices import Device, Gateway, add_device, add_gateway, find_gateway
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    SupplyContract,
    add_contract,
    add_metering_point,
    add_participant,
    contract_at,
    end_contract,
    metering_point,
    participant,
    participant_by_email,
)
from app.storage.store.rounds import last_round_start_s
from contracts.tariff import Tariff, TariffError

LOW_VOLTAGE_KV = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One metering point of who joins: the member as `commonwatt.toml` would describe them with this point alone."""

    point_id: str
    member: MemberSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who joins with one or more metering points, from an instant up to another; None: now, for ever."""

    points: tuple[Connected, ...]
    from_s: int | None = None
    until_s: int | None = None

    @property
    def member(self) -> MemberSettings:
        return self.points[0].member


def join(connection: Connection, newcomer: Newcomer, *, actor: str, now_s: int) -> None:
    """Add a member with contract, connections and meters, and write it down.

    Raises InputError for an identifier or email that is taken, a day that has passed, a VAT class that the tariff does
    not have, a bus that the network does not have.
    """
    member, moment = newcomer.member, _moment(connection, now_s)
    joined_s = moment.joined_s if newcomer.from_s is None else max(newcomer.from_s, moment.joined_s)
    _may_join(connection, newcomer, joined_s)
    buses = {each.point_id: _bus(connection, each) for each in newcomer.points}
    add_participant(
        connection,
        Participant(
            id=member.id,
            display_name=member.name,
            email=member.email.strip().lower() or None,
            vat_class=member.vat_class,
            lane=next_lane(connection),
            created_s=now_s,
        ),
    )
    add_by_hand(connection, member.id, added_s=now_s)
    for each in newcomer.points:
        add_metering_point(connection, _point(each, buses[each.point_id]))
        _add_meter(connection, each)
    contract = SupplyContract(
        participant_id=member.id,
        supplier_price_micro_per_kwh=member.supplier_price_micro_per_kwh,
        feed_in_price_micro_per_kwh=member.feed_in_price_micro_per_kwh,
        valid_from_s=joined_s,
    )
    add_contract(connection, replace(contract, valid_to_s=newcomer.until_s))
    detail = f"{member.name}, from {moment_text(joined_s)}, connected as {', '.join(buses)}"
    record(connection, AuditEntry(at_s=now_s, actor=actor, action="member.added", subject=member.id, detail=detail))


def agree_contract(connection: Connection, contract: SupplyContract, *, actor: str, now_s: int) -> SupplyContract:
    """Another supply contract from an instant to come on; what was agreed. Raises InputError for one that has passed.

    Who had left is a member again from then on.
    """
    require_by_hand(connection, contract.participant_id)
    if contract.feed_in_price_micro_per_kwh > contract.supplier_price_micro_per_kwh:
        raise InputError("the feed-in price is above the supplier's price: are the two swapped?")
    moment = _moment(connection, now_s)
    has_left = contract_at(connection, contract.participant_id, FOR_EVER_S) is None
    first_s = moment.joined_s if has_left else moment.changed_s
    agreed = replace(contract, valid_from_s=max(contract.valid_from_s, first_s))
    _later_than_others(connection, agreed)
    add_contract(connection, agreed)
    prices = f"{agreed.supplier_price_micro_per_kwh} and {agreed.feed_in_price_micro_per_kwh} millionths per kWh"
    detail = f"{prices} from {moment_text(agreed.valid_from_s)}"
    subject = contract.participant_id
    record(connection, AuditEntry(at_s=now_s, actor=actor, action="member.contract", subject=subject, detail=detail))
    return agreed


def end_membership(connection: Connection, member_id: str, *, end_s: int, actor: str, now_s: int) -> int:
    """From `end_s` on, or as soon as rounds allow, the market does not see this home any more; from when.

    The person still signs in and reads bills. Raises InputError for somebody who has left already.
    """
    require_by_hand(connection, member_id)
    if contract_at(connection, member_id, FOR_EVER_S) is None:
        raise InputError(f"member {member_id} has no contract without an end: the membership ends already")
    moment, last_s = _moment(connection, now_s), last_round_start_s(connection)
    soonest_s = moment.joined_s if last_s is None else max(moment.joined_s, last_s + moment.minutes * 60)
    end_s = max(end_s, soonest_s)
    end_contract(connection, member_id, end_s=end_s)
    detail = f"at {moment_text(end_s)}"
    record(connection, AuditEntry(at_s=now_s, actor=actor, action="member.ended", subject=member_id, detail=detail))
    return end_s


def require_by_hand(connection: Connection, member_id: str) -> None:
    """Raises InputError for nobody, and for who is kept in the configuration."""
    person = participant(connection, member_id)
    if person is None or person.role != "household":
        raise InputError(f"there is no member {member_id}")
    if not is_by_hand(connection, member_id):
        raise InputError(f"member {member_id} is kept in commonwatt.toml: change the entry there and start again")


def bus_in(drawing: Mapping[str, Any], text: str) -> int | None:
    """The bus that is meant: an index, a unique name, or nothing where there is only one below 1 kV.

    None where the community has no network. Raises InputError naming what there is.
    """
    buses: Sequence[Mapping[str, Any]] = drawing.get("buses", [])
    if not buses:
        return None
    low = [bus for bus in buses if bus["vn_kv"] < LOW_VOLTAGE_KV]
    if not text and len(low) == 1:
        return int(low[0]["id"])
    if not text:
        raise InputError(f"bus: is missing: name one of the network's {len(low)} buses below 1 kV")
    by_index = text.isascii() and text.isdecimal()
    found = [bus for bus in buses if (bus["id"] == int(text) if by_index else bus["name"] == text)]
    if len(found) != 1:
        problem = "is no bus of the network" if not found else f"is the name of {len(found)} buses: give the index"
        raise InputError(f"bus: {text[:40]!r} {problem}")
    return int(found[0]["id"])


def moment_text(instant_s: int) -> str:
    """An instant in records: UTC."""
    return f"{datetime.fromtimestamp(instant_s, UTC):%Y-%m-%d %H:%M} UTC"


def _moment(connection: Connection, now_s: int) -> Moment:
    return Moment(now_s=now_s, minutes=the_community(connection).market_time_unit_minutes)


def _may_join(connection: Connection, newcomer: Newcomer, joined_s: int) -> None:
    member = newcomer.member
    if problem := id_problem(member.id):
        raise InputError(f"id: {member.id[:60]!r}: {problem}")
    if participant(connection, member.id) is not None:
        raise InputError(f"id: {member.id} is taken: choose another")
    if member.email and participant_by_email(connection, member.email) is not None:
        raise InputError(f"email: {member.email} belongs to somebody already: each member needs their own")
    if newcomer.until_s is not None and newcomer.until_s <= joined_s:
        raise InputError("until_day: is before the membership begins")
    if choice_at(connection, joined_s).island is not None:
        raise InputError("members of an island are kept in commonwatt.toml, where their place is checked")
    _vat_class_known(connection, member, joined_s)
    for each in newcomer.points:
        if metering_point(connection, each.point_id) is not None:
            raise InputError(f"metering_point: {each.point_id} is taken: it can be connected once")


def _vat_class_known(connection: Connection, member: MemberSettings, instant_s: int) -> None:
    tariff_json = tariff_json_at(connection, instant_s)
    if tariff_json is None:
        return
    try:
        Tariff.from_json(json.loads(tariff_json)).vat(member.vat_class)
    except TariffError as error:
        raise InputError(f"vat_class: {error}") from error


def _bus(connection: Connection, each: Connected) -> int | None:
    drawing = json.loads(the_community(connection).drawing_json or "{}")
    return bus_in(drawing, each.member.bus)


def _point(each: Connected, bus: int | None) -> MeteringPoint:
    member = each.member
    return MeteringPoint(
        id=each.point_id,
        participant_id=member.id,
        bus=bus,
        phase=member.phase,
        connection_w=member.connection_w,
        generation_w=member.generation_w,
        generation_controllable=member.generation_controllable,
        battery_wh=member.battery_wh,
        battery_w=member.battery_w,
    )


def _add_meter(connection: Connection, each: Connected) -> None:
    meter = each.member.meter
    if meter is None:
        return
    if find_gateway(connection, meter.gateway) is None:
        add_gateway(connection, Gateway(id=meter.gateway, name=meter.gateway))
    own = each.point_id == point_id_of(each.member.id)
    device_id = device_id_of(each.member.id) if own else f"D-{each.point_id}"
    device = Device(id=device_id, metering_point_id=each.point_id, gateway_id=meter.gateway, profile=meter.profile)
    add_device(connection, device)


def _later_than_others(connection: Connection, contract: SupplyContract) -> None:
    planned = contract_at(connection, contract.participant_id, FOR_EVER_S)
    if planned is not None and planned.valid_from_s >= contract.valid_from_s:
        raise InputError(
            f"member {contract.participant_id} has a contract from {moment_text(planned.valid_from_s)} on: "
            "give a later day"
        )
