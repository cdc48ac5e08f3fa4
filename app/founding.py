"""The community of the configuration in the database: founded once, brought up to date at every start.

Nothing is ever deleted. Members who are new in the file are added, those who are gone from it are suspended; changed
prices and tariffs make new versions that hold from the first interval whose gate is still open.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from app.audit import AuditEntry, record
from app.auth import hash_of, issue_sign_in_code, new_code
from app.community_settings import CommunitySettings, MemberSettings, TreasurerSettings
from app.config import Settings
from app.errors import InputError
from app.island_choice import dearest_bid
from app.market_choice import adopt_choice
from app.membership import OPERATOR_ID, Moment, id_problem, keep_member, suspend_who_left
from app.meter_places import LOCAL_GATEWAY, point_id_of
from app.settlement_settings import SettlementSettings
from app.storage.database import writing
from app.storage.store.community import (
    Community,
    create_community,
    find_community,
    rename_community,
    save_drawing,
)
from app.storage.store.devices import Gateway, add_gateway, find_gateway
from app.storage.store.members import Participant, add_participant, participants
from app.tariff_file import adopt_tariff, overtaken, tariff_version
from app.treasurers import keep_treasurers
from contracts.tariff import Tariff
from grid.feeder import NetworkError
from grid.network import GridNetwork

OPERATOR_EMAIL = "operator@localhost"
ENROLMENT_CODE_S = 7 * 86_400
LOW_VOLTAGE_KV = 1.0


def found(engine: Engine, settings: Settings, network: GridNetwork, *, now_s: int) -> tuple[str, ...]:
    """Bring the database to what `settings` say, in one transaction; what was done, a line each.

    Raises InputError for what cannot be: no members, an unknown bus, another currency than the ledger's.
    """
    community = configured(settings)
    _consistent(settings.members, settings.treasurers)
    tariff = tariff_version(settings.tariff_file, community, settings.members)
    places = {member.id: _bus(member, network) for member in settings.members}
    _island_possible(settings, tariff.tariff, network, places)
    start = Moment(now_s=now_s, minutes=community.market_time_unit_minutes)
    with writing(engine) as connection:
        is_new = find_community(connection) is None
        done = create_founded(connection, community, network) if is_new else _renamed(connection, community, network)
        first_s = first_held_s(start, community, settings.settlement)
        followed = overtaken(connection, tariff.tariff, next_s=start.changed_s)
        if followed is None:
            done += adopt_tariff(connection, tariff, first_s=first_s, next_s=start.changed_s)
        done += adopt_choice(connection, settings.market, next_s=first_s if is_new else start.changed_s)
        done += ensure_operator(connection, now_s=now_s)
        done += _gateways(connection, settings.members, now_s=now_s)
        for member in settings.members:
            joined_s = first_s if is_new else start.joined_s
            done += keep_member(connection, member, places[member.id], start, joined_s=joined_s)
        done += suspend_who_left(connection, settings.members, start)
        done += keep_treasurers(connection, settings.treasurers, now_s=now_s)
        for line in done:
            # A one-time code is told to whoever started the program, and to nobody else.
            told = line.partition("; ")[0]
            entry = AuditEntry(at_s=now_s, actor="operator", action="configuration", subject="community", detail=told)
            record(connection, entry)
    return tuple(done if followed is None else [*done, followed])


def configured(settings: Settings) -> CommunitySettings:
    """The community of the settings. Raises InputError if they hold none, or no members."""
    if settings.community is None:
        raise InputError(
            "the configuration has no [community]: write an example with `commonwatt init`, or start with --browser"
        )
    if not settings.members:
        raise InputError("the configuration has no [[members]]: a community needs at least one")
    return settings.community


def ensure_operator(connection: Connection, *, now_s: int, email: str = OPERATOR_EMAIL) -> list[str]:
    """The first operator, if there is none."""
    if participants(connection, role="operator"):
        return []
    add_participant(
        connection,
        Participant(id=OPERATOR_ID, display_name="Operator", email=email, role="operator", created_s=now_s),
    )
    return [f"operator {email} added"]


def sign_in_link(connection: Connection, participant_id: str, base_url: str, *, now_s: int) -> str:
    """A link that signs this person in once. Raises InputError for somebody unknown."""
    return f"{base_url}/sign-in/link/{issue_sign_in_code(connection, participant_id, now_s=now_s)}"


def first_held_s(moment: Moment, community: CommunitySettings, settlement: SettlementSettings) -> int:
    """From when tariff and contracts of the founders hold: no later than their first settlement period begins."""
    local = datetime.fromtimestamp(moment.now_s, ZoneInfo(community.timezone))
    midnight_s = int(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp())
    return min(midnight_s, moment.joined_s - 60 * (settlement.period_minutes or 0))


def create_founded(connection: Connection, community: CommunitySettings, network: GridNetwork) -> list[str]:
    """Store a new community with the picture of its network; what was done."""
    create_community(
        connection,
        Community(
            id="community",
            name=community.name,
            network=community.network,
            currency=community.currency,
            timezone=community.timezone,
            market_time_unit_minutes=community.market_time_unit_minutes,
            tie_seed=secrets.token_hex(16),
        ),
    )
    save_drawing(connection, json.dumps(network.drawing()))
    return [f"community {community.name!r} founded"]


def _renamed(connection: Connection, community: CommunitySettings, network: GridNetwork) -> list[str]:
    known = find_community(connection)
    assert known is not None
    if known.simulated:
        raise InputError("this database holds a demonstration: give the community a state directory of its own")
    for key in ("currency", "timezone", "market_time_unit_minutes"):
        before, after = getattr(known, key), getattr(community, key)
        if before != after:
            raise InputError(f"community.{key} was {before} when the community was founded and cannot become {after}")
    drawing = json.dumps(network.drawing())
    if drawing != known.drawing_json:
        save_drawing(connection, drawing)
    if (known.name, known.network) == (community.name, community.network):
        return []
    rename_community(connection, name=community.name, network=community.network)
    return [f"community is now {community.name!r} on network {community.network}"]


def _consistent(members: tuple[MemberSettings, ...], treasurers: tuple[TreasurerSettings, ...]) -> None:
    """Raises InputError for identifiers that fit nowhere and for emails of two people."""
    emails: dict[str, str] = {}
    for kind, people in (("members", members), ("treasurers", treasurers)):
        for person in people:
            if problem := id_problem(person.id):
                raise InputError(f"{kind}: id {person.id!r}: {problem}")
            email = person.email.strip().lower()
            if email and emails.setdefault(email, person.id) != person.id:
                both = f"{emails[email]} and {person.id}"
                raise InputError(f"{kind}: {both} have the same email {email}: each needs its own")


def _bus(member: MemberSettings, network: GridNetwork) -> int:
    """Where a member is connected: as the configuration says, else as the network file says, else the only bus."""
    try:
        if member.bus:
            return network.bus_index(member.bus)
    except NetworkError as error:
        raise InputError(f"member {member.id}: {error}") from error
    known = network.member_buses()
    for name in (point_id_of(member.id), member.id):
        if name in known:
            return known[name]
    low = [int(bus["id"]) for bus in network.drawing()["buses"] if bus["vn_kv"] < LOW_VOLTAGE_KV]
    if len(low) == 1:
        return low[0]
    raise InputError(
        f"member {member.id}: bus is missing: name one of the network's {len(network.buses)} buses, "
        f"or list {point_id_of(member.id)} among the members of cables.csv"
    )


def _island_possible(settings: Settings, tariff: Tariff, network: GridNetwork, places: Mapping[str, int]) -> None:
    """Raises InputError for an island where somebody would come before firm demand, or would be cut off."""
    island = settings.market.island
    if island is None:
        return
    if (dearest := dearest_bid(island, settings.members, tariff)) is not None:
        raise InputError(f"grid.lost_load_micro_per_kwh is {island.lost_load_micro_per_kwh}, but {dearest}: give more")
    try:
        supplied = network.islanded(places[island.grid_forming_member]).buses
    except NetworkError as error:
        raise InputError(f"grid.grid_forming_member: {error}") from error
    for member, bus in places.items():
        if bus not in supplied:
            raise InputError(
                f"member {member}: bus {bus} is cut off from {island.grid_forming_member}, whose battery forms the "
                "island: give a bus on the same side of the transformers"
            )


def _gateways(connection: Connection, members: tuple[MemberSettings, ...], *, now_s: int) -> list[str]:
    done = []
    wanted = {member.meter.gateway or LOCAL_GATEWAY for member in members if member.meter is not None}
    for gateway in sorted(wanted):
        if find_gateway(connection, gateway) is not None:
            continue
        if gateway == LOCAL_GATEWAY:
            add_gateway(connection, Gateway(id=gateway, name="This machine"))
            continue
        code = new_code()
        expires_s = now_s + ENROLMENT_CODE_S
        add_gateway(connection, Gateway(id=gateway, name=gateway), code_hash=hash_of(code), code_expires_s=expires_s)
        done.append(f"gateway {gateway} expected; enrol it within 7 days: commonwatt gateway enroll --code {code}")
    return done
