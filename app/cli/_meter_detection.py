"""`commonwatt meter detect`: what is on this line, and what to write into gateway.toml."""

import asyncio
import json
import sys

import click

from app.cli import refusing
from app.errors import InputError
from meters.address import AddressError, BusAddress
from meters.answer import DeviceUnreachableError
from meters.clock import system_clock
from meters.detection import Detection, FoundDevice, detect
from meters.recognition import Certainty

DEVICE_ID_MAX = 255
SERIAL_ID_MAX = 247


@click.command(epilog="Example: commonwatt meter detect rtu:///dev/ttyUSB0")
@click.argument("address")
@click.option("--device-ids", default=None, metavar="FIRST-LAST", help="Ids to ask; by default 1-247.")
@click.option("--within", "within_s", default=120.0, show_default=True, help="Seconds after which the search ends.")
@click.option("--timeout", "timeout_s", default=0.3, show_default=True, help="Seconds a device has to answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(address: str, device_ids: str | None, within_s: float, timeout_s: float, *, as_json: bool) -> None:
    """Find the meters at ADDRESS: tcp://HOST[:PORT], rtu:///dev/ttyUSB0, rtutcp://HOST[:PORT].

    On a serial line speed and parity are found too, unless ADDRESS gives them. SunSpec devices say what they are; other
    meters are recognised by plausible voltages and frequency and called likely. Only reads, never writes. Ends with 1
    if nobody answers. Stop the gateway first: a line has one master.
    """
    if within_s <= 0 or timeout_s <= 0:
        raise InputError("--within and --timeout should be above 0")
    ids = _ids(device_ids)
    with refusing(AddressError):
        BusAddress.parse(address)
        try:
            detection = asyncio.run(
                detect(
                    address,
                    device_ids=ids,
                    clock=system_clock,
                    timeout_s=timeout_s,
                    within_s=within_s,
                    report=_progress,
                )
            )
        except DeviceUnreachableError as error:
            raise click.ClickException(str(error)) from error
        finally:
            _progress("")
    if not detection.found:
        raise click.ClickException(_nobody(address, detection))
    click.echo(json.dumps(_document(detection)) if as_json else _text(detection))


def _ids(text: str | None) -> range:
    if text is None:
        return range(1, SERIAL_ID_MAX + 1)
    first, _, last = text.partition("-")
    if (
        not first.isdigit()
        or not (last or first).isdigit()
        or not 0 <= int(first) <= int(last or first) <= DEVICE_ID_MAX
    ):
        raise InputError(f"--device-ids {text!r}: give FIRST-LAST within 0..{DEVICE_ID_MAX}, for example 1-32")
    return range(int(first), int(last or first) + 1)


def _progress(what: str) -> None:
    """What is being asked, over the line before it; nothing where nobody watches."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{what}", nl=False, err=True)


def _nobody(address: str, detection: Detection) -> str:
    reached = "" if detection.complete else "; the time was over before every id was asked, --within gives more"
    return (
        f"nobody answered {detection.asked} questions at {address}{reached}. Are A and B swapped, is the meter switched"
        " on, does another program read this line?"
    )


def _document(detection: Detection) -> dict[str, object]:
    return {
        "devices": [_row(device) for device in detection.found],
        "any_id": detection.any_id,
        "asked": detection.asked,
        "complete": detection.complete,
        "seconds": round(detection.seconds, 1),
    }


def _row(device: FoundDevice) -> dict[str, object]:
    seen = device.recognition
    return {
        "address": device.address,
        "device_id": device.device_id,
        "certainty": seen.certainty.value,
        "profiles": list(seen.profiles),
        "also": list(seen.also),
        "identity": seen.identity,
        "values": dict(seen.values),
    }


def _text(detection: Detection) -> str:
    lines = []
    for device in detection.found:
        lines += [_sentence(device), *_table(device), ""]
    if detection.any_id:
        lines.append("It answers to every device id, so one is listed.")
    if not detection.complete:
        lines.append("The time was over before every id was asked: --within gives more.")
    lines.append(f"{len(detection.found)} found with {detection.asked} questions in {detection.seconds:.0f} s.")
    return "\n".join(lines)


def _sentence(device: FoundDevice) -> str:
    seen = device.recognition
    where = f"device {device.device_id} at {device.address}"
    who = f" ({seen.identity})" if seen.identity else ""
    if seen.certainty is Certainty.UNKNOWN:
        return f"{where}{who}: answers, but no profile fits; docs/gateway-guide.md says how to add one"
    shown = ", ".join(f"{value:g} {_UNITS[name.rpartition('_')[2]]}" for name, value in seen.values.items())
    also = f"; less likely {', '.join(seen.also)}" if seen.also else ""
    return f"{where}{who}: {seen.certainty.value} {' or '.join(seen.profiles)}{f', {shown}' if shown else ''}{also}"


def _table(device: FoundDevice) -> list[str]:
    """What to write into gateway.toml."""
    if not device.recognition.profiles:
        return []
    choice = " or ".join(device.recognition.profiles)
    note = f"   # {choice}: see its type plate" if len(device.recognition.profiles) > 1 else ""
    return [
        "  [[meter]]",
        '  device = ""',
        f'  profile = "{device.recognition.profiles[0]}"{note}',
        f'  address = "{device.address}"',
        f"  device_id = {device.device_id}",
    ]


_UNITS = {"v": "V", "hz": "Hz"}
