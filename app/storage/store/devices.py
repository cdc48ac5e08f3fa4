"""Gateways, and the meters they read. Codes and tokens are known here by their hashes only."""

from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.tables import core_table

GATEWAYS = core_table(tables.Gateway)
DEVICES = core_table(tables.Device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway. address is that of its signing key, None until it enrols; status pending, approved or revoked."""

    id: str
    name: str
    address: str | None = None
    status: str = "pending"
    last_seen_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A meter behind one gateway, at one metering point; profile names its register map."""

    id: str
    metering_point_id: str
    gateway_id: str
    profile: str


def add_gateway(
    connection: Connection,
    gateway: Gateway,
    *,
    token_hash: str | None = None,
    code_hash: str | None = None,
    code_expires_s: int | None = None,
) -> None:
    """Register a gateway, with a one-time enrolment code or already with its address and token."""
    secrets = {
        "token_hash": token_hash,
        "enrolment_code_hash": code_hash,
        "enrolment_expires_s": code_expires_s,
    }
    connection.execute(GATEWAYS.insert(), asdict(gateway) | secrets)


def set_enrolment_code(connection: Connection, gateway_id: str, *, code_hash: str, expires_s: int) -> None:
    """Give a gateway a new one-time enrolment code in place of any earlier one."""
    _change(connection, gateway_id, enrolment_code_hash=code_hash, enrolment_expires_s=expires_s)


def enrol_gateway(
    connection: Connection, *, code_hash: str, address: str, token_hash: str, now_s: int
) -> Gateway | None:
    """Spend a one-time code: the gateway gets its address and token and waits for an operator's approval.

    None if the code is unknown, spent or expired. Raises InputError if another gateway has the address.
    """
    row = connection.execute(
        select(GATEWAYS.c.id).where(GATEWAYS.c.enrolment_code_hash == code_hash, GATEWAYS.c.enrolment_expires_s > now_s)
    ).scalar()
    if row is None:
        return None
    other = gateway_by_address(connection, address)
    if other is not None and other.id != row:
        raise InputError(f"the key {address} belongs to gateway {other.id}: make a new key on this device")
    _change(
        connection,
        row,
        address=address,
        token_hash=token_hash,
        status="pending",
        enrolment_code_hash=None,
        enrolment_expires_s=None,
    )
    return find_gateway(connection, row)


def set_gateway_status(connection: Connection, gateway_id: str, status: str) -> Gateway:
    """Approve or revoke a gateway. Raises InputError for an unknown one, or to approve one that has no key yet."""
    assert status in {"approved", "revoked"}
    gateway = find_gateway(connection, gateway_id)
    if gateway is None:
        raise InputError(f"there is no gateway {gateway_id!r}")
    if status == "approved" and gateway.address is None:
        raise InputError(f"gateway {gateway_id!r} has not enrolled yet: run it with its one-time code first")
    _change(connection, gateway_id, status=status)
    return Gateway(**asdict(gateway) | {"status": status})


def touch_gateway(connection: Connection, gateway_id: str, *, seen_s: int) -> None:
    """Remember when the gateway was last heard."""
    _change(connection, gateway_id, last_seen_s=seen_s)


def find_gateway(connection: Connection, gateway_id: str) -> Gateway | None:
    """One gateway, None if unknown."""
    return _gateway_where(connection, GATEWAYS.c.id == gateway_id)


def gateway_by_address(connection: Connection, address: str) -> Gateway | None:
    """The gateway whose signing key has `address` (checksummed)."""
    return _gateway_where(connection, GATEWAYS.c.address == address)


def gateway_by_token(connection: Connection, token_hash: str) -> Gateway | None:
    """The gateway a token was given to."""
    return _gateway_where(connection, GATEWAYS.c.token_hash == token_hash)


def gateways(connection: Connection) -> tuple[Gateway, ...]:
    """All gateways by id."""
    query = select(*_gateway_columns()).order_by(GATEWAYS.c.id)
    return tuple(Gateway(**row) for row in connection.execute(query).mappings())


def add_device(connection: Connection, device: Device) -> None:
    """Register a meter. Raises InputError if its metering point already has one: energy must not count twice."""
    query = select(DEVICES.c.id).where(DEVICES.c.metering_point_id == device.metering_point_id)
    known = connection.execute(query).scalar()
    if known is not None:
        raise InputError(
            f"metering point {device.metering_point_id!r} is metered by device {known!r}: "
            "a replaced meter keeps the device id and begins a new epoch"
        )
    connection.execute(DEVICES.insert(), asdict(device))


def change_device(connection: Connection, device: Device) -> None:
    """Store which gateway reads a known meter, and by which register map."""
    connection.execute(update(DEVICES).where(DEVICES.c.id == device.id).values(**asdict(device)))


def devices(connection: Connection, *, gateway_id: str | None = None) -> tuple[Device, ...]:
    """All meters, or those of one gateway, by id."""
    query = select(DEVICES).order_by(DEVICES.c.id)
    if gateway_id is not None:
        query = query.where(DEVICES.c.gateway_id == gateway_id)
    return tuple(Device(**row) for row in connection.execute(query).mappings())


def devices_by_point(connection: Connection) -> dict[str, Device]:
    """The meter of every metering point that has one."""
    return {device.metering_point_id: device for device in devices(connection)}


def _gateway_columns() -> list[ColumnElement[object]]:
    return [GATEWAYS.c[name] for name in Gateway.__dataclass_fields__]


def _gateway_where(connection: Connection, condition: ColumnElement[bool]) -> Gateway | None:
    row = connection.execute(select(*_gateway_columns()).where(condition)).mappings().first()
    return None if row is None else Gateway(**row)


def _change(connection: Connection, gateway_id: str, **values: object) -> None:
    connection.execute(update(GATEWAYS).where(GATEWAYS.c.id == gateway_id).values(**values))
