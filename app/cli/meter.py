"""Find, read, scan and simulate Modbus meters."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import click

from app.cli import _meter_detection, refusing
from app.errors import InputError
from meters.address import AddressError, BusAddress
from meters.answer import BusError
from meters.bus import Bus
from meters.clock import clock_from_environment, system_clock
from meters.control_profile import SUNSPEC, control_profile_names
from meters.faults import DESCRIPTIONS, Fault
from meters.plausibility import sum_of_phases, voltage_and_frequency
from meters.profile import Profile, ProfileError, load_profile, load_profiles
from meters.reader import MeterReader, ModelMissingError
from meters.reading import MeterReading
from meters.simulated_day import day_power
from meters.simulated_load import SimulatedLoad
from meters.simulator import SimulatedMeter, serve_meters
from meters.sunspec import FoundModel, Identity, SunSpecError, identity, walk

DEVICE_ERRORS = (BusError, SunSpecError, ModelMissingError)
VOLTAGE_DRIFT_V, FREQUENCY_DRIFT_HZ = 30.0, 1.0
MOST_W = 1e6
"""More power than any low-voltage meter sees: two reads that differ by more energy than that are not of one meter."""


class DoubtfulError(Exception):
    """A meter that answered, but never twice alike."""


@click.group()
def command() -> None:
    """Find, read, scan and simulate Modbus meters."""


command.add_command(_meter_detection.command, "detect")


@command.command(epilog="Example: commonwatt meter read --profile eastron_sdm630 --device-id 1 tcp://192.168.1.20:502")
@click.argument("address")
@click.option("--profile", required=True, help="What kind of meter it is; `commonwatt meter profiles` lists them.")
@click.option("--device-id", default=1, show_default=True, type=click.IntRange(0, 255), help="Its Modbus device id.")
@click.option("--timeout", "limit_s", default=5.0, show_default=True, help="Seconds after which to give up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def read(address: str, profile: str, device_id: int, limit_s: float, *, as_json: bool) -> None:
    """Read a meter at ADDRESS: tcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600, rtutcp://HOST:PORT, tls://HOST:802?ca=FILE.

    Every value is read twice; what is not certain is null. Ends with 1 if the meter does not answer.
    """
    with refusing(ProfileError, AddressError):
        kind, where = load_profile(profile), BusAddress.parse(address)
    try:
        reading = asyncio.run(_read_twice(kind, where, device_id, limit_s))
    except (*DEVICE_ERRORS, DoubtfulError) as error:
        raise click.ClickException(str(error)) from error
    except AddressError as error:
        raise InputError(str(error)) from error
    unlikely = [*sum_of_phases(reading), *voltage_and_frequency(reading)]
    for finding in (*reading.findings, *(each.message for each in unlikely)):
        click.echo(f"{profile}: {finding}", err=True)
    if not kind.verified:
        click.echo(f"{profile} is not verified: {'; '.join(kind.problems)}", err=True)
    click.echo(json.dumps(_document(reading)) if as_json else _table(reading))


async def _read_twice(kind: Profile, where: BusAddress, device_id: int, limit_s: float) -> MeterReading:
    """Two readings that agree, or the reason why there are none within the time limit."""
    bus = Bus(where, clock=system_clock)
    reader = MeterReader(kind, bus, device_id)
    deadline = time.monotonic() + limit_s
    try:
        while True:
            try:
                return await _agreed(reader)
            except (BusError, DoubtfulError):
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(0.1)
    finally:
        await bus.close()


async def _agreed(reader: MeterReader) -> MeterReading:
    """The last of two reads that agree; of four where a value is missing, for noise can be alike once."""
    reads = [await reader.read(insist=True), await reader.read(insist=True)]
    if None in reads[0].values.values():
        reads += [await reader.read(insist=True), await reader.read(insist=True)]
    for first, second in pairwise(reads):
        if doubts := disagreements(first, second):
            raise DoubtfulError(f"device {reader.device_id} answers, but two reads disagree on {', '.join(doubts)}")
    if all(value is None for value in reads[-1].values.values()):
        raise DoubtfulError(f"device {reader.device_id} answers, but shows no value: is the profile right?")
    return reads[-1]


def disagreements(first: MeterReading, second: MeterReading) -> list[str]:
    """Quantities of two readings, moments apart, that cannot both be true."""
    seconds = (second.read_at - first.read_at).total_seconds()
    doubtful = [name for name, value in first.values.items() if (value is None) != (second.values[name] is None)]
    for name, before in first.energy.items():
        after = second.energy.get(name)
        most_mwh = MOST_W * max(seconds, 0) / 3.6 + before.step_mwh
        if after is not None and not -before.step_mwh <= after.mwh - before.mwh <= most_mwh:
            doubtful.append(name)
    for unit, drift in (("_v", VOLTAGE_DRIFT_V), ("_hz", FREQUENCY_DRIFT_HZ)):
        for name, value in first.values.items():
            other = second.values[name]
            if name.endswith(unit) and value is not None and other is not None and abs(other - value) > drift:
                doubtful.append(name)
    return doubtful


def _document(reading: MeterReading) -> dict[str, object]:
    return {
        "profile": reading.profile,
        "device_id": reading.device_id,
        "read_at": reading.read_at.isoformat(),
        "quality": reading.quality.value,
        "values": dict(reading.values),
    }


def _table(reading: MeterReading) -> str:
    lines = [
        f"{reading.profile}, device {reading.device_id}, {reading.read_at:%Y-%m-%d %H:%M:%S} UTC, {reading.quality}"
    ]
    if reading.identity:
        lines.append(reading.identity)
    for quantity, value in reading.values.items():
        name, _, unit = quantity.rpartition("_")
        shown = "-" if value is None else f"{value:,}".replace(",", " ")
        lines.append(f"  {name.replace('_', ' '):<18}{shown:>18} {_UNITS[unit]}")
    return "\n".join(lines)


_UNITS = {"wh": "Wh", "w": "W", "v": "V", "a": "A", "hz": "Hz"}


@command.command(epilog="Example: commonwatt meter profiles --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def profiles(*, as_json: bool) -> None:
    """List the meters that can be read, and whether two sources agree on their energy registers."""
    known = load_profiles()
    if as_json:
        rows = [
            {"name": kind.name, "vendor": kind.vendor, "model": kind.model, "verified": kind.verified} for kind in known
        ]
        click.echo(json.dumps(rows))
        return
    width = max(len(kind.name) for kind in known) + 2
    for kind in known:
        status = "verified" if kind.verified else f"not verified: {'; '.join(kind.problems)}"
        click.echo(f"{kind.name:<{width}}{kind.vendor} {kind.model}: {status}")


_FAULTS = "; ".join(f"{kind}: {what}" for kind, what in DESCRIPTIONS.items())


@command.command(
    epilog="Example: commonwatt meter simulate --profile eastron_sdm630 --listen 127.0.0.1:1502 --power-w 500"
)
@click.option("--profile", required=True, help="What kind of meter to be; `commonwatt meter profiles` lists them.")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--device-id", default=1, show_default=True, type=click.IntRange(0, 255), help="Modbus device id.")
@click.option("--import-wh", default=0.0, help="Import register at the start, Wh.")
@click.option("--export-wh", default=0.0, help="Export register at the start, Wh.")
@click.option("--power-w", default=0.0, help="Power, W: + imports, - exports; the registers follow it.")
@click.option("--day-kwh", type=click.FloatRange(min=0), help="Draw so much over a day, as a home does; not --power-w.")
@click.option("--solar-w", default=0.0, help="With --day-kwh: a plant that gives so much at noon (UTC).")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    help="When (UTC) the registers were so; by default now. With it they go on through a restart.",
)
@click.option("--fault", "fault_text", default=None, metavar="KIND", help=f"Misbehave. {_FAULTS}.")
@click.option(
    "--control", type=click.Choice(control_profile_names()), default=SUNSPEC, help="Where an inverter takes set-points."
)
@click.option("--framing", type=click.Choice(["tcp", "rtu"]), default="tcp", help="rtu: as behind a serial converter.")
def simulate(  # noqa: PLR0913, PLR0917  every option of the command line is one argument
    profile: str,
    listen: str,
    device_id: int,
    import_wh: float,
    export_wh: float,
    power_w: float,
    day_kwh: float | None,
    solar_w: float,
    since: datetime | None,
    fault_text: str | None,
    control: str,
    framing: str,
) -> None:
    """Serve a meter until it is stopped. SunSpec inverters obey feed-in limits and battery set-points."""
    host, port = _listen_address(listen)
    clock = clock_from_environment(os.environ)
    begun = None if since is None else since.replace(tzinfo=UTC)
    if begun is not None and begun > clock():
        raise InputError(f"--since {begun:%Y-%m-%d %H:%M:%S} UTC lies in the future")
    power = power_w if day_kwh is None else day_power(load_kwh=day_kwh, solar_w=solar_w)
    load = SimulatedLoad(import_wh=import_wh, export_wh=export_wh, power_w=power, clock=clock, since=begun)
    with refusing(ProfileError, ValueError):
        fault = None if fault_text is None else Fault.parse(fault_text)
        meter = SimulatedMeter(profile, device_id, load.values, _obeying(load), fault=fault, control=control)

    def ready(ports: tuple[int, ...]) -> None:
        scheme = "tcp" if framing == "tcp" else "rtutcp"
        click.echo(f"{profile}, device id {device_id}, at {scheme}://{host}:{ports[0]}")

    try:
        asyncio.run(_serve(meter, host, port, framing, ready))
    except OSError as error:
        raise InputError(f"cannot listen on {listen}: {error.strerror or error}") from error


async def _serve(
    meter: SimulatedMeter, host: str, port: int, framing: str, ready: Callable[[tuple[int, ...]], None]
) -> None:
    serving = asyncio.current_task()
    assert serving is not None
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serve_meters({port: [meter]}, host, framing="rtu" if framing == "rtu" else "tcp", on_ready=ready)


def _obeying(load: SimulatedLoad) -> Callable[[str, float], None]:
    def on_write(quantity: str, value: float) -> None:
        load.obey(quantity, value)
        click.echo(f"{quantity} = {value:g}")

    return on_write


def _listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 0xFFFF:
        raise InputError(f"--listen {text!r}: give HOST:PORT, for example 127.0.0.1:1502")
    return host or "127.0.0.1", int(port)


@command.command(epilog="Example: commonwatt meter scan tcp://192.168.1.30:502")
@click.argument("address")
@click.option("--device-id", default=1, show_default=True, type=click.IntRange(0, 255), help="Its Modbus device id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def scan(address: str, device_id: int, *, as_json: bool) -> None:
    """Walk a SunSpec device at ADDRESS and name the profiles that fit it."""
    with refusing(AddressError):
        where = BusAddress.parse(address)
    try:
        who, models = asyncio.run(_scan(where, device_id))
    except DEVICE_ERRORS as error:
        raise click.ClickException(str(error)) from error
    numbers = {model.number for model in models}
    fitting = [kind.name for kind in load_profiles() if kind.sunspec is not None and kind.sunspec.model in numbers]
    rows = [{"model": model.number, "address": model.address, "length": model.length} for model in models]
    if as_json:
        click.echo(json.dumps({"device": str(who or ""), "models": rows, "profiles": fitting}))
        return
    click.echo(str(who or "a device that does not say who it is"))
    for row in rows:
        click.echo(f"  model {row['model']:>5} at {row['address']}, {row['length']} registers")
    click.echo(f"profiles: {', '.join(fitting) or 'none'}")


async def _scan(where: BusAddress, device_id: int) -> tuple[Identity | None, tuple[FoundModel, ...]]:
    bus = Bus(where, clock=system_clock)

    async def registers(address: int, count: int) -> tuple[int, ...]:
        return (await bus.read(device_id, 3, address, count, insist=True)).words

    try:
        models = await walk(registers)
        return await identity(registers, models), models
    finally:
        await bus.close()
