"""The gateway of this machine as a process of its own, beside a worker: its folder, made ready for `gateway run`."""

import json
import threading
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app.config import Settings
from app.errors import InputError
from app.local_gateways import enrol_local
from app.meter_places import local_gateway_config
from app.storage.database import reading
from app.storage.store.community import find_community
from meters.clock import Clock
from meters.credentials import CredentialsError
from meters.gateway_config import GatewayConfig

CONFIG_FILE = "gateway.toml"
AGAIN_S = 1.0

log = structlog.get_logger(__name__)


def wait_for_ledger(engine: Engine, stopped: threading.Event) -> bool:
    """Wait until the community's ledger is deployed, for gateways sign for it; False if `stopped` before."""
    said = False
    while not stopped.is_set():
        if _has_ledger(engine):
            return True
        if not said:
            log.info("waiting for the worker to found the community and its ledger")
        said = True
        stopped.wait(AGAIN_S)
    return False


def _has_ledger(engine: Engine) -> bool:
    """False too while the database is away."""
    try:
        with reading(engine) as connection:
            community = find_community(connection)
    except OperationalError:
        return False
    return community is not None and community.signing_domain is not None


def enrol_here(engine: Engine, settings: Settings, folder: Path, *, server: str, clock: Clock) -> GatewayConfig:
    """Write credentials and gateway.toml into `folder`, for the meters that the configuration gives this machine.

    May be repeated: the key is kept, the meters are brought up to date. `server` is the web application as the gateway
    reaches it. Raises InputError if no meter is read here, or if an operator revoked the gateway.
    """
    config = local_gateway_config(settings, server=server, state=Path())
    if config is None:
        raise InputError("no member has a meter that is read here: all of them name a gateway elsewhere")
    try:
        enrol_local(engine, config.name, folder, now_s=int(clock().timestamp()))
    except CredentialsError as error:
        raise InputError(str(error)) from error
    draft = folder / f"{CONFIG_FILE}.new"
    draft.write_text(gateway_toml(config), encoding="utf-8")
    draft.replace(folder / CONFIG_FILE)
    return config


def gateway_toml(config: GatewayConfig) -> str:
    """A gateway's configuration as the file it is read from; its state is kept beside the file."""
    lines = ["# Written from the community's configuration; changes belong there.", "[gateway]"]
    lines += [f"name = {_quoted(config.name)}", f"server = {_quoted(config.server)}", 'state = "."']
    lines += [f"interval_minutes = {config.interval_minutes}"]
    for meter in config.meters:
        lines += ["", "[[meter]]", f"device = {_quoted(meter.device)}", f"profile = {_quoted(meter.profile)}"]
        lines += [f"address = {_quoted(meter.address)}", f"device_id = {meter.device_id}"]
        lines += [f"connection_w = {meter.connection_w:.1f}"]
        if meter.control is not None:
            control = meter.control
            lines += ["[meter.control]", f"address = {_quoted(control.address)}", f"device_id = {control.device_id}"]
            lines += [f"profile = {_quoted(control.profile)}"]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)
