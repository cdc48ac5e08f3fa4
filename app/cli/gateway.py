"""Read meters, sign their readings and deliver them."""

import asyncio
import json
import logging
import os
import signal
import threading
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli import _commissioning, refusing
from app.errors import InputError
from meters.address import BusAddress
from meters.answer import BusError
from meters.api import ApiError, Enrolment, MeterApi
from meters.bus import Bus
from meters.clock import clock_from_environment, system_clock
from meters.config_file import ConfigFile
from meters.credentials import (
    FILE_NAME,
    Credentials,
    CredentialsError,
    load_credentials,
    new_credentials,
    save_credentials,
)
from meters.gateway import Gateway
from meters.gateway_config import ConfigError, GatewayConfig, config_to_run
from meters.gateway_status import gateway_status, is_well
from meters.outbox_file import OutboxError
from meters.profile import load_profile
from meters.reader import MeterReader, ModelMissingError
from meters.service_notice import ALIVE, READY, STOPPING, notify
from meters.sunspec import SunSpecError

if TYPE_CHECKING:
    from meters.mqtt import MqttPublisher

CONFIG = click.argument("config", type=click.Path(path_type=Path), default=Path("gateway.toml"))


@click.group()
def command() -> None:
    """Read meters, sign their readings and deliver them."""


command.add_command(_commissioning.command, "commission")


@command.command(epilog="Example: commonwatt gateway check gateway.toml")
@CONFIG
@click.option("--connect", is_flag=True, help="Also read every meter once.")
def check(config: Path, *, connect: bool) -> None:
    """Explain what is wrong with CONFIG (gateway.toml). Contacts nobody unless told to; ends with 2 on mistakes."""
    try:
        loaded = GatewayConfig.load(config)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(2) from error
    silent = asyncio.run(_silent(loaded)) if connect else {}
    for meter in loaded.meters:
        told = f", controls device {meter.control.device_id} at {meter.control.address}" if meter.control else ""
        state = f": {silent[meter.device]}" if meter.device in silent else (": answers" if connect else "")
        click.echo(f"{meter.device}: {meter.profile}, device {meter.device_id} at {meter.address}{told}{state}")
    credentials = "enrolled" if (loaded.state_dir / FILE_NAME).exists() else "not enrolled yet"
    click.echo(f"{config}: {len(loaded.meters)} meters, delivers to {loaded.server or 'nobody'}, {credentials}")
    if silent:
        raise SystemExit(1)


async def _silent(config: GatewayConfig) -> dict[str, str]:
    """Meters that do not answer, and why."""
    found: dict[str, str] = {}
    for meter in config.meters:
        bus = Bus(BusAddress.parse(meter.address), clock=system_clock, timeout_s=config.timeout_s)
        try:
            await MeterReader(load_profile(meter.profile), bus, meter.device_id).read()
        except (BusError, SunSpecError, ModelMissingError) as error:
            found[meter.device] = str(error)
        finally:
            await bus.close()
    return found


@command.command(epilog="Example: commonwatt gateway run /etc/commonwatt/gateway.toml")
@CONFIG
def run(config: Path) -> None:
    """Read, sign and deliver until stopped (SIGTERM or Ctrl-C).

    Changes of CONFIG are taken over while it runs, at once on SIGHUP; one with mistakes is refused and changes nothing.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with refusing(ConfigError, CredentialsError, OutboxError):
        file = ConfigFile(config)
        loaded = config_to_run(config)
        asyncio.run(_run(file, loaded, load_credentials(loaded.state_dir)))


async def _run(file: ConfigFile, config: GatewayConfig, credentials: Credentials) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, file.ask)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    clock = clock_from_environment(os.environ)
    async with MeterApi(config.server, token=credentials.token, clock=clock) as api:
        publisher = _publisher(config)
        gateway = Gateway(config, clock=clock, api=api, credentials=credentials, listener=publisher)
        await gateway.open()
        if publisher is not None:
            publisher.start()
        notify(READY, os.environ)
        click.echo(f"{config.name} reads {len(config.meters)} meters and delivers to {config.server}")
        try:
            await gateway.run(stop, file=file, alive=partial(notify, ALIVE, os.environ))
        finally:
            notify(STOPPING, os.environ)
            await gateway.close()
            if publisher is not None:
                publisher.close()


def _publisher(config: GatewayConfig) -> "MqttPublisher | None":
    """Who tells the broker; imported only where one is configured, for it needs an extra."""
    if config.mqtt is None:
        return None
    from meters.mqtt import MqttPublisher

    return MqttPublisher(config.mqtt, config.name)


@command.command(epilog="Example: commonwatt gateway status /etc/commonwatt/gateway.toml")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def status(config: Path, *, as_json: bool) -> None:
    """Say how the gateway of CONFIG is, from what it left in its state directory. Ends with 1 if something is wrong."""
    with refusing(ConfigError, OutboxError):
        lines = gateway_status(GatewayConfig.load(config), clock_from_environment(os.environ)())
    if as_json:
        click.echo(json.dumps({"well": is_well(lines), "lines": [asdict(line) for line in lines]}))
    else:
        for line in lines:
            click.echo(f"{'  ' if line.good else '! '}{line.what}")
    if not is_well(lines):
        raise SystemExit(1)


@command.command(epilog="Example: commonwatt gateway enroll --server https://energy.example.org --code K7QF-2MXA")
@CONFIG
@click.option("--server", default=None, help="The platform; by default the one in CONFIG.")
@click.option("--code", required=True, help="The one-time code from the operator.")
@click.option("--state", type=click.Path(path_type=Path), default=None, help="Where the key is kept; default: CONFIG.")
def enroll(config: Path, server: str | None, code: str, state: Path | None) -> None:
    """Make this gateway's key, if it has none, and hand its address to the platform with a one-time code.

    An operator approves the address before readings count. Without a CONFIG file a first one is written.
    """
    known = config.exists()
    with refusing(ConfigError, CredentialsError):
        loaded = GatewayConfig.load(config) if known else None
        state_dir = state or (loaded.state_dir if loaded else config.parent / "gateway-state")
        url = server or (loaded.server if loaded else "")
        if not url.startswith(("http://", "https://")):
            raise InputError(f"--server {url!r}: give the platform's address, starting with https://")
        credentials = load_credentials(state_dir) if (state_dir / FILE_NAME).exists() else new_credentials()
        # The key is on disk before anybody hears its address.
        save_credentials(state_dir, credentials)
    try:
        enrolment = asyncio.run(_enrol(url, code, credentials.address))
    except ApiError as error:
        raise click.ClickException(str(error)) from error
    save_credentials(state_dir, credentials.enrolled(enrolment))
    if not known:
        config.write_text(first_config(url, state_dir.absolute(), enrolment), encoding="utf-8")
        click.echo(f"{config} written: fill in profile and address of each meter")
    elif loaded is not None and loaded.interval_minutes != enrolment.interval_minutes:
        click.echo(f"{config}: change interval_minutes to {enrolment.interval_minutes}, as the community has it")
    click.echo(
        f"gateway {enrolment.gateway} enrolled with address {credentials.address}; an operator has to approve it"
    )
    click.echo(f"devices: {', '.join(enrolment.devices) or 'none yet'}")


@command.command(epilog="Example: commonwatt gateway enroll-here --server http://web:8000 /var/lib/commonwatt/gateway")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--server", required=True, help="The web application, as the gateway reaches it.")
@click.option(
    "--config",
    "community",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="COMMONWATT_CONFIG",
    required=True,
    help="The community's configuration, which names the meters.",
)
def enroll_here(folder: Path, server: str, community: Path) -> None:
    """Prepare FOLDER for `commonwatt gateway run FOLDER/gateway.toml` on the machine of the community itself.

    For a gateway beside a worker: whoever may write into FOLDER and the database is the operator, so no code and no
    approval is asked for. Waits until there is a ledger to sign for. May be repeated, and keeps the key.
    """
    from app.config import Settings
    from app.late_database import database_of
    from app.neighbouring_gateway import CONFIG_FILE, enrol_here, wait_for_ledger
    from app.process_log import log_to_stderr

    log_to_stderr()
    stopped = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stopped.set())
    settings = Settings.load(community, os.environ)
    engine = database_of(settings, stopped)
    if engine is None:
        return
    try:
        if wait_for_ledger(engine, stopped):
            clock = clock_from_environment(os.environ)
            config = enrol_here(engine, settings, folder, server=server, clock=clock)
            click.echo(f"{folder / CONFIG_FILE}: gateway {config.name} reads {len(config.meters)} meters")
    finally:
        engine.dispose()


async def _enrol(url: str, code: str, address: str) -> Enrolment:
    async with MeterApi(url) as api:
        return await api.enrol(code=code, address=address)


def first_config(server: str, state_dir: Path, enrolment: Enrolment) -> str:
    """A gateway.toml with one meter table for every device, to be completed."""
    lines = ["[gateway]", f'name = "{enrolment.gateway}"', f'server = "{server}"', f'state = "{state_dir}"']
    lines += [f"interval_minutes = {enrolment.interval_minutes}", ""]
    for device in enrolment.devices:
        lines += ["[[meter]]", f'device = "{device}"', 'profile = ""', 'address = "tcp://"', "device_id = 1", ""]
    return "\n".join(lines)
