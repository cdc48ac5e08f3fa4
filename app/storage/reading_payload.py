"""From the JSON a gateway posts to reading batches: everything is checked here, nothing is believed."""

from dataclasses import dataclass
from typing import Any

from meters.signing import ReadingBatch, RegisterReading

READINGS_PER_BATCH_MAX = 10_000
DURATION_S_MAX = 86_400
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

_FIELDS_MAX = {
    "seq": INT64_MAX,
    "start_s": INT64_MAX - DURATION_S_MAX,
    "duration_s": DURATION_S_MAX,
    "import_mwh": INT64_MAX,
    "export_mwh": INT64_MAX,
    "flags": INT32_MAX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedBatch:
    """A batch that says nothing usable; device and epoch as far as they can be read."""

    device: str
    epoch: int
    message: str


def parse_batch(raw: Any) -> ReadingBatch | MalformedBatch:  # noqa: ANN401  any JSON value may come
    """One element of `batches`: a typed batch, or what is wrong with it. The signature is not looked at."""
    if not isinstance(raw, dict):
        return MalformedBatch(device="", epoch=0, message="a batch is a JSON object")
    device, epoch = raw.get("device"), raw.get("epoch")
    if not isinstance(device, str) or not 0 < len(device) <= 100:
        return MalformedBatch(device="", epoch=0, message="device: give a name of 1 to 100 characters")
    if not isinstance(epoch, int) or not _is_integer(epoch, INT32_MAX):
        return MalformedBatch(device=device, epoch=0, message="epoch: give an integer from 0 to 2^31-1")
    try:
        return ReadingBatch(
            device=device,
            epoch=epoch,
            readings=_readings(raw.get("readings"), device, epoch),
            previous_hash=_hex(raw, "previous_hash", length=32),
            signature=_hex(raw, "signature", length=65),
        )
    except ValueError as error:
        return MalformedBatch(device=device, epoch=epoch, message=str(error))


def _readings(raw: Any, device: str, epoch: int) -> tuple[RegisterReading, ...]:  # noqa: ANN401  any JSON value
    if not isinstance(raw, list) or not 0 < len(raw) <= READINGS_PER_BATCH_MAX:
        raise ValueError(f"readings: give a list of 1 to {READINGS_PER_BATCH_MAX} readings")
    readings: list[RegisterReading] = []
    for position, values in enumerate(raw):
        if not isinstance(values, list) or len(values) != len(_FIELDS_MAX):
            raise ValueError(f"readings[{position}]: give the list [{', '.join(_FIELDS_MAX)}]")
        for name, value in zip(_FIELDS_MAX, values, strict=True):
            if not _is_integer(value, _FIELDS_MAX[name]):
                raise ValueError(f"readings[{position}].{name}: give an integer from 0 to {_FIELDS_MAX[name]}")
        seq, start_s, duration_s, import_mwh, export_mwh, flags = values
        if readings and seq != readings[-1].seq + 1:
            raise ValueError(f"readings[{position}].seq: {seq} does not follow {readings[-1].seq}")
        readings.append(
            RegisterReading(
                device=device,
                epoch=epoch,
                seq=seq,
                start_s=start_s,
                duration_s=duration_s,
                import_mwh=import_mwh,
                export_mwh=export_mwh,
                flags=flags,
            )
        )
    return tuple(readings)


def _is_integer(value: object, maximum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum


def _hex(raw: dict[str, Any], name: str, *, length: int) -> bytes:
    value = raw.get(name)
    remedy = f"{name}: give {length} bytes as 0x and {2 * length} hexadecimal digits"
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * length:
        raise ValueError(remedy)
    try:
        return bytes.fromhex(value[2:])
    except ValueError as error:
        raise ValueError(remedy) from error
