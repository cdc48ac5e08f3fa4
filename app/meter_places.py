"""The meters that the configuration names: who they belong to, and the gateway on this machine that reads them."""

from pathlib import Path

from app.community_settings import MemberSettings
from app.config import Settings
from app.errors import InputError
from meters.gateway_config import ControlConfig, GatewayConfig, MeterConfig, check

LOCAL_GATEWAY = "G1"
"""The gateway in the process of `commonwatt up`."""


def point_id_of(member_id: str) -> str:
    """Metering point of a member."""
    return f"MP-{member_id}"


def device_id_of(member_id: str) -> str:
    """Meter of a member."""
    return f"D-{member_id}"


def local_gateway_config(settings: Settings, *, server: str, state: Path) -> GatewayConfig | None:
    """The gateway for the meters that this machine reads; None if there are none.

    Raises InputError naming each mistake: an unknown profile, an address that is none, two members with one meter.
    """
    members = [member for member in settings.members if member.meter is not None and not member.meter.gateway]
    _each_its_own(members)
    if not members or settings.community is None:
        return None
    config = GatewayConfig(
        name=LOCAL_GATEWAY,
        state_dir=state,
        server=server,
        interval_minutes=settings.community.market_time_unit_minutes,
        meters=tuple(_meter(member) for member in members),
    )
    if problems := check(config, where="members"):
        raise InputError("; ".join(problems))
    return config


def _each_its_own(members: list[MemberSettings]) -> None:
    owners: dict[tuple[str, int], str] = {}
    for member in members:
        assert member.meter is not None
        place = (member.meter.address, member.meter.device_id)
        if owners.setdefault(place, member.id) != member.id:
            raise InputError(
                f"members {owners[place]} and {member.id} have the same meter {place[0]} device_id {place[1]}: "
                "each needs its own, otherwise energy counts twice"
            )


def _meter(member: MemberSettings) -> MeterConfig:
    meter = member.meter
    assert meter is not None
    control = meter.control
    return MeterConfig(
        device=device_id_of(member.id),
        profile=meter.profile,
        address=meter.address,
        device_id=meter.device_id,
        connection_w=float(max(member.connection_w, member.generation_w + member.battery_w)),
        control=None
        if control is None
        else ControlConfig(address=control.address, device_id=control.device_id, profile=control.profile),
    )
