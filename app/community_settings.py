"""The community and its members as `commonwatt.toml` describes them."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.fields import FieldError, Fields
from grid.three_phase import ALL_PHASES, PHASES
from meters.control_profile import SUNSPEC
from meters.gateway_config import DEVICE_ID_MAX
from meters.interval import MARKET_TIME_UNITS_MINUTES

WATT_MAX = 10_000_000
WATT_HOUR_MAX = 100_000_000
PRICE_MICRO_PER_KWH_MAX = 10_000_000
GENERATION_SOURCES = ("solar", "wind", "hydro", "biogas", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunitySettings:
    """`network` is what `grid.network.load_network` takes; `timezone` an IANA name; `currency` three letters."""

    name: str
    network: str
    currency: str = "EUR"
    timezone: str = "Europe/Berlin"
    market_time_unit_minutes: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """The inverter behind a member's meter, which obeys set-points; `profile` is SunSpec or a make of its own."""

    address: str
    device_id: int = 1
    profile: str = SUNSPEC


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSettings:
    """A member's meter: `address` as `commonwatt meter read` takes it, `profile` its register map.

    `gateway` names the gateway elsewhere that reads it; empty if this machine does, which then needs the address.
    """

    profile: str
    address: str = ""
    device_id: int = 1
    gateway: str = ""
    control: ControlSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSettings:
    """A member with one metering point. `bus` is an index or unique name in the network, empty without one.

    phase              a, b or c, abc for a connection on all three, None where nobody says
    generation_source  one of GENERATION_SOURCES
    vat_class_from     the local day from which the VAT class holds; None: as soon as it can
    """

    id: str
    name: str
    supplier_price_micro_per_kwh: int
    feed_in_price_micro_per_kwh: int
    email: str = ""
    bus: str = ""
    phase: str | None = None
    connection_w: int = 25_000
    generation_w: int = 0
    generation_controllable: bool = False
    generation_source: str = "solar"
    battery_wh: int = 0
    battery_w: int = 0
    vat_class: str = "private"
    vat_class_from: date | None = None
    meter: MeterSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreasurerSettings:
    """Who keeps the accounts and is no member; signs in with the email."""

    id: str
    name: str
    email: str


def community_from(fields: Fields) -> CommunitySettings:
    """Read the section [community]. Raises FieldError naming the key."""
    community = CommunitySettings(
        name=_name(fields, "name"),
        network=_name(fields, "network"),
        currency=fields.text("currency") if fields.has("currency") else "EUR",
        timezone=fields.text("timezone") if fields.has("timezone") else "Europe/Berlin",
        market_time_unit_minutes=_number(fields, "market_time_unit_minutes", 15, most=60),
    )
    fields.close()
    if len(community.currency) != 3 or not community.currency.isupper():
        raise FieldError(fields.at("currency"), f"is {community.currency!r}: use its three letters, for example EUR")
    if community.market_time_unit_minutes not in MARKET_TIME_UNITS_MINUTES:
        raise FieldError(fields.at("market_time_unit_minutes"), f"use one of {MARKET_TIME_UNITS_MINUTES}")
    try:
        ZoneInfo(community.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        problem = f"{community.timezone!r} is not a time zone: use a name such as Europe/Berlin"
        raise FieldError(fields.at("timezone"), problem) from error
    return community


def member_from(fields: Fields) -> MemberSettings:
    """Read one [[members]] entry. Raises FieldError naming the entry and the key."""
    member = MemberSettings(
        id=_name(fields, "id"),
        name=_name(fields, "name"),
        supplier_price_micro_per_kwh=fields.integer(
            "supplier_price_micro_per_kwh", least=0, most=PRICE_MICRO_PER_KWH_MAX
        ),
        feed_in_price_micro_per_kwh=fields.integer(
            "feed_in_price_micro_per_kwh", least=-PRICE_MICRO_PER_KWH_MAX, most=PRICE_MICRO_PER_KWH_MAX
        ),
        email=fields.text("email") if fields.has("email") else "",
        bus=_bus(fields),
        phase=_phase(fields) if fields.has("phase") else None,
        connection_w=_number(fields, "connection_w", 25_000, most=WATT_MAX),
        generation_w=_number(fields, "generation_w", 0, most=WATT_MAX),
        generation_controllable=fields.flag("generation_controllable")
        if fields.has("generation_controllable")
        else False,
        generation_source=_source(fields) if fields.has("generation_source") else "solar",
        battery_wh=_number(fields, "battery_wh", 0, most=WATT_HOUR_MAX),
        battery_w=_number(fields, "battery_w", 0, most=WATT_MAX),
        vat_class=fields.text("vat_class") if fields.has("vat_class") else "private",
        vat_class_from=_vat_class_from(fields) if fields.has("vat_class_from") else None,
        meter=_meter(fields.fields("meter")) if fields.has("meter") else None,
    )
    fields.close()
    if member.feed_in_price_micro_per_kwh > member.supplier_price_micro_per_kwh:
        problem = "is above the supplier's price: are the two swapped?"
        raise FieldError(fields.at("feed_in_price_micro_per_kwh"), problem)
    return member


def treasurer_from(fields: Fields) -> TreasurerSettings:
    """Read one [[treasurers]] entry. Raises FieldError naming the entry and the key."""
    treasurer = TreasurerSettings(id=_name(fields, "id"), name=_name(fields, "name"), email=_name(fields, "email"))
    fields.close()
    return treasurer


def _vat_class_from(fields: Fields) -> date:
    day = fields.value("vat_class_from")
    if not isinstance(day, date) or isinstance(day, datetime):
        raise FieldError(fields.at("vat_class_from"), "is no day: write 2027-01-01, without quotes")
    return day


def _meter(fields: Fields) -> MeterSettings:
    gateway = _name(fields, "gateway") if fields.has("gateway") else ""
    meter = MeterSettings(
        address="" if gateway and not fields.has("address") else _name(fields, "address"),
        profile=_name(fields, "profile"),
        device_id=_number(fields, "device_id", 1, most=DEVICE_ID_MAX),
        gateway=gateway,
        control=_control(fields.fields("control")) if fields.has("control") else None,
    )
    fields.close()
    return meter


def _control(fields: Fields) -> ControlSettings:
    control = ControlSettings(
        address=_name(fields, "address"),
        device_id=_number(fields, "device_id", 1, most=DEVICE_ID_MAX),
        profile=_name(fields, "profile") if fields.has("profile") else SUNSPEC,
    )
    fields.close()
    return control


def _bus(fields: Fields) -> str:
    if not fields.has("bus"):
        return ""
    value = fields.value("bus")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else fields.text("bus")


def _phase(fields: Fields) -> str:
    phase = fields.text("phase").strip().lower()
    if phase not in {*PHASES, ALL_PHASES}:
        raise FieldError(fields.at("phase"), f"is {phase[:20]!r}: use a, b or c, or abc for all three")
    return phase


def _source(fields: Fields) -> str:
    source = fields.text("generation_source").strip().lower()
    if source not in GENERATION_SOURCES:
        problem = f"is {source[:20]!r}: use one of {', '.join(GENERATION_SOURCES)}"
        raise FieldError(fields.at("generation_source"), problem)
    return source


def _name(fields: Fields, key: str) -> str:
    value = fields.text(key).strip()
    if not value:
        raise FieldError(fields.at(key), "is empty")
    return value


def _number(fields: Fields, key: str, default: int, *, most: int) -> int:
    return fields.integer(key, least=0, most=most) if fields.has(key) else default
