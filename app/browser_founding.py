"""A community that is founded in the browser: what is given there is kept until it holds, and a worker founds it.

The web process reads everything but the network: that takes what only workers load. What the worker finds wrong is
told on the same page, and nothing is founded by half.
"""

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from app.audit import AuditEntry, record
from app.community_settings import CommunitySettings, community_from
from app.errors import InputError
from app.founding import create_founded, first_held_s
from app.joining import join
from app.market_choice import MarketChoice, adopt_choice
from app.member_files import MEMBERS, POINTS, MemberFiles, join_listed, read_member_files
from app.membership import Moment
from app.settlement_settings import SettlementSettings
from app.storage.database import reading, writing
from app.storage.store.founding_steps import forget_founding_steps, founding_steps, save_founding_steps
from app.tariff_file import TariffVersion, adopt_tariff, read_tariff
from contracts.fields import FieldError, Fields
from contracts.tariff import Tariff
from grid.feeder import NetworkError
from grid.network import GridNetwork, open_network

NAME, TIMEZONE, CURRENCY, MINUTES = "name", "timezone", "currency", "market_time_unit_minutes"
NETWORK, NETWORK_FILE, TARIFF_FILE = "network", "network.json", "tariff.toml"
TEXTS = (NAME, TIMEZONE, CURRENCY, MINUTES, NETWORK)
FILES = (NETWORK_FILE, TARIFF_FILE, MEMBERS, POINTS)
ASKED_BY, PROBLEMS = "asked_by", "problems"
NAMED_NETWORKS = ("simbench:", "transformer:")


def problems(given: Mapping[str, str]) -> tuple[str, ...]:
    """What is missing or wrong, as far as it can be told without the network, one text each."""
    found = []
    try:
        _community(given)
        _tariff(given)
    except InputError as error:
        found.append(str(error))
    if not given.get(MEMBERS):
        return (*found, f"{MEMBERS}: is missing: choose the file with a line for each member")
    if not found:
        files = _members(given)
        found += files.errors
        if not files.errors and all(each.newcomer.from_s is not None for each in files.listed):
            found.append(f"{MEMBERS}: nobody begins now: leave from_day empty for at least one member")
    return tuple(found)


def ask_for_founding(connection: Connection, *, actor: str) -> None:
    """A worker shall found what was given."""
    save_founding_steps(connection, {ASKED_BY: actor, PROBLEMS: ""})


def found_if_asked(engine: Engine, state: Path, *, now_s: int) -> bool:
    """Found the community if somebody asked for it and everything holds; what is wrong is kept for the page."""
    with reading(engine) as connection:
        given = founding_steps(connection)
    if not given.get(ASKED_BY):
        return False
    try:
        community, network = _looked_at(given, state)
        with writing(engine) as connection:
            _found(connection, given, community, network, now_s=now_s)
            forget_founding_steps(connection)
    except InputError as error:
        with writing(engine) as connection:
            save_founding_steps(connection, {ASKED_BY: "", PROBLEMS: str(error)})
        return False
    return True


def _looked_at(given: Mapping[str, str], state: Path) -> tuple[CommunitySettings, GridNetwork]:
    if found := problems(given):
        raise InputError("\n".join(found))
    community = _community(given, state)
    try:
        return community, open_network(community.network)
    except NetworkError as error:
        raise InputError(f"network: {error}") from error


def _found(
    connection: Connection, given: Mapping[str, str], community: CommunitySettings, network: GridNetwork, *, now_s: int
) -> None:
    actor = given[ASKED_BY]
    create_founded(connection, community, network)
    moment = Moment(now_s=now_s, minutes=community.market_time_unit_minutes)
    first_s = first_held_s(moment, community, SettlementSettings())
    adopt_tariff(connection, _tariff(given), first_s=first_s, next_s=first_s)
    adopt_choice(connection, MarketChoice(), next_s=first_s)
    if errors := join_listed(_members(given), lambda each: join(connection, each, actor=actor, now_s=now_s)):
        raise InputError("\n".join(errors))
    entry = AuditEntry(at_s=now_s, actor=actor, action="community.founded", subject=community.name)
    record(connection, entry)


def _community(given: Mapping[str, str], state: Path | None = None) -> CommunitySettings:
    """The community as given; an uploaded network is written below `state` and named by its path."""
    network = given.get(NETWORK, "").strip()
    if given.get(NETWORK_FILE):
        network = NETWORK_FILE
        if state is not None:
            file = state / NETWORK_FILE
            file.write_text(given[NETWORK_FILE], encoding="utf-8")
            network = str(file)
    elif not network.startswith(NAMED_NETWORKS):
        raise InputError("network: name a SimBench network or a transformer's rating, or choose a file")
    values = {name: given.get(name, "").strip() for name in (NAME, TIMEZONE, CURRENCY)}
    minutes = given.get(MINUTES, "15")
    try:
        return community_from(
            Fields(values | {NETWORK: network, MINUTES: int(minutes) if minutes.isdecimal() else minutes}, "")
        )
    except FieldError as error:
        raise InputError(str(error)) from error


def _tariff(given: Mapping[str, str]) -> TariffVersion:
    text, currency = given.get(TARIFF_FILE, ""), given.get(CURRENCY, "EUR")
    if not text:
        return TariffVersion(tariff=Tariff(version="default", currency=currency))
    version = read_tariff(TARIFF_FILE, text, given.get(TIMEZONE, "UTC"))
    if version.tariff.currency != currency:
        raise InputError(f"{TARIFF_FILE}: currency is {version.tariff.currency}, the community's is {currency}")
    return version


def _members(given: Mapping[str, str]) -> MemberFiles:
    return read_member_files(given[MEMBERS], given.get(POINTS) or None, ZoneInfo(given[TIMEZONE]))
