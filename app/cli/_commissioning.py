"""`commonwatt gateway commission`: the installer at the meter or a file with the answers, and the report."""

import asyncio
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from app.cli import refusing
from app.errors import InputError
from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import Clock, clock_from_environment
from meters.commissioning import LOAD_LEAST_W, Outcome
from meters.commissioning_file import write_report
from meters.commissioning_run import Commissioning, Installer, commission
from meters.device_errors import DeviceErrors
from meters.gateway_config import ConfigError, GatewayConfig, MeterConfig
from meters.gateway_status import OUTBOX_NAME
from meters.outbox_file import is_in_use
from meters.profile import load_profile
from meters.reader import MeterReader

KEYS = {"energy_import_wh": "import_kwh", "energy_export_wh": "export_kwh", "energy_total_wh": "total_kwh"}


class Person:
    """Asks whoever sits at the keyboard; an empty answer leaves a check open."""

    def shown_kwh(self, device: str, quantity: str) -> float | None:
        word = KEYS[quantity].removesuffix("_kwh")
        return _number(click.prompt(f"{device}: {word} on the display, kWh (empty: not there)", "", show_default=False))

    def load_w(self, device: str, phase: int) -> float | None:
        while True:
            question = f"{device}: a load for L{phase}, W on its type plate, e.g. 2000 for a kettle (empty: none)"
            load_w = _number(click.prompt(question, "", show_default=False))
            if load_w is None or load_w >= LOAD_LEAST_W:
                return load_w
            click.echo(f"give at least {LOAD_LEAST_W:.0f} W: less does not stand out")

    def tell(self, text: str) -> None:
        click.echo(text)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ".")) if text.strip() else None
    except ValueError as error:
        raise InputError(f"{text!r} is no number") from error


class Answers:
    """What an installer would say, from a file with one table a device."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: {error}") from error
        for device, table in self._tables.items():
            self._check(device, table)

    def _check(self, device: str, table: object) -> None:
        known = {*KEYS.values(), "loads"}
        if not isinstance(table, dict) or (unknown := table.keys() - known):
            named = f"unknown key {min(unknown)!r}" if isinstance(table, dict) else "is no table"
            raise InputError(f"{self._path}, {device}: {named}; known are {', '.join(sorted(known))}")
        loads = table.get("loads", {})
        if not isinstance(loads, dict) or loads.keys() - {"L1", "L2", "L3"}:
            raise InputError(f"{self._path}, {device}: write loads as {{ L1 = 2000, L2 = 2000, L3 = 2000 }}, in W")
        for name, value in {**table, **loads}.items():
            if name != "loads" and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise InputError(f"{self._path}, {device}: {name} = {value!r} should be a number")
        for name, value in loads.items():
            if value < LOAD_LEAST_W:
                raise InputError(f"{self._path}, {device}: {name} = {value} should be at least {LOAD_LEAST_W:.0f} W")

    def _table(self, device: str) -> Mapping[str, Any]:
        if device not in self._tables:
            raise InputError(f"{self._path} has no table [{device}]")
        table: Mapping[str, Any] = self._tables[device]
        return table

    def shown_kwh(self, device: str, quantity: str) -> float | None:
        return self._table(device).get(KEYS[quantity])

    def load_w(self, device: str, phase: int) -> float | None:
        load_w: float | None = self._table(device).get("loads", {}).get(f"L{phase}")
        return load_w

    def tell(self, text: str) -> None:
        click.echo(text)


@click.command(epilog="Example: commonwatt gateway commission /etc/commonwatt/gateway.toml --device D017")
@click.argument("config", type=click.Path(path_type=Path), default=Path("gateway.toml"))
@click.option("--device", "devices", multiple=True, help="Only this device of CONFIG; may be repeated.")
@click.option("--answers", type=click.Path(path_type=Path, dir_okay=False), help="Answers from a file (TOML).")
@click.option("--within", "within_s", default=60.0, show_default=True, help="Seconds to wait for a load or a register.")
def command(config: Path, devices: tuple[str, ...], answers: Path | None, within_s: float) -> None:
    """Check the meters of CONFIG with somebody beside them: display, phases, sign and registers under a known load.

    Leaves commissioning-DEVICE.json and .txt in the state directory; the gateway tells the platform when it runs again.
    Ends with 1 if a meter is refused or a check could not be made.
    """
    with refusing(ConfigError):
        loaded = GatewayConfig.load(config)
    unknown = set(devices) - {meter.device for meter in loaded.meters}
    if unknown:
        raise InputError(f"{config} has no device {', '.join(sorted(unknown))}")
    if is_in_use(loaded.state_dir / OUTBOX_NAME):
        raise InputError(f"the gateway of {config} is running, and a line has one master: stop it first")
    installer: Installer = Person() if answers is None else Answers(answers)
    clock = clock_from_environment(os.environ)
    good = True
    for meter in loaded.meters:
        if devices and meter.device not in devices:
            continue
        try:
            report = asyncio.run(_commission(loaded, meter, installer, clock, within_s))
        except DeviceErrors as error:
            raise click.ClickException(f"{meter.device}: {error}") from error
        write_report(loaded.state_dir, report)
        click.echo(report.text(), nl=False)
        good = good and report.outcome is Outcome.PASSED
    if not good:
        raise SystemExit(1)


async def _commission(
    config: GatewayConfig, meter: MeterConfig, installer: Installer, clock: Clock, within_s: float
) -> Commissioning:
    bus = Bus(BusAddress.parse(meter.address), clock=clock, timeout_s=config.timeout_s)
    try:
        reader = MeterReader(load_profile(meter.profile), bus, meter.device_id)
        return await commission(meter, reader, installer, clock=clock, within_s=within_s)
    finally:
        await bus.close()
