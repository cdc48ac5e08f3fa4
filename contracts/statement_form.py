"""The parts of a statement document, read strictly: every key known, every figure an integer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contracts.fields import FieldError, Fields
from contracts.figures import POINT_FIGURES, MemberInterval, OrderOutcome, OwnTransfer, PointEnergy
from contracts.transfers import TransferKind
from meters.signing import ReadingBatch, RegisterReading

FORMAT = "commonwatt statement 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A calendar month of a place, as the half-open span [start_s, end_s) of Unix seconds."""

    name: str
    timezone: str
    start_s: int
    end_s: int

    @classmethod
    def of(cls, name: str, timezone: str) -> "Month":
        """Month `YYYY-MM` in an IANA time zone. Raises ValueError where one of them does not exist."""
        year, month = name[:4], name[5:]
        if len(name) != 7 or name[4] != "-" or not (year + month).isascii() or not (year + month).isdigit():
            raise ValueError(f"{name!r} is not a month: write YYYY-MM")
        zone = _zone(timezone)
        first = datetime(int(year), int(month), 1, tzinfo=zone)
        following = datetime(int(year) + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=zone)
        return cls(name=name, timezone=timezone, start_s=int(first.timestamp()), end_s=int(following.timestamp()))

    def includes(self, start_s: int) -> bool:
        return self.start_s <= start_s < self.end_s


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is not a time zone") from error
    except KeyError as error:
        raise ValueError(f"{name!r} is not a time zone") from error


def instant(start_s: int) -> str:
    """A start for people, in UTC."""
    try:
        return datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
    except (ValueError, OverflowError, OSError):
        return str(start_s)


def read_interval(fields: Fields) -> MemberInterval:
    """An interval of a batch entry, without its `leaf_hash`, which the caller has read. Raises FieldError."""
    vat_class = fields.text("vat_class") if fields.has("vat_class") else None
    start_s = fields.integer("start_s", least=0)
    interval = MemberInterval(
        path=f"{fields.path} ({instant(start_s)})",
        start_s=start_s,
        minutes=fields.integer("minutes", least=1, most=60),
        vat_class=vat_class,
        points=tuple(_point(each) for each in fields.rows("points")),
        orders=tuple(_order(each) for each in fields.rows("orders")),
        transfers=tuple(_transfer(each) for each in fields.rows("transfers")),
    )
    fields.close()
    return interval


def _point(fields: Fields) -> PointEnergy:
    point = PointEnergy(
        metering_point=fields.text("metering_point"),
        **{name: fields.integer(name, least=0) for name in POINT_FIGURES},
    )
    fields.close()
    return point


def _order(fields: Fields) -> OrderOutcome:
    order = OrderOutcome(
        order_id=fields.text("order_id"),
        metering_point=fields.text("metering_point"),
        side=fields.text("side"),
        firmness=fields.text("firmness"),
        quantity_wh=fields.integer("quantity_wh", least=0),
        limit_micro_per_kwh=fields.integer("limit_micro_per_kwh"),
        accepted_wh=fields.integer("accepted_wh", least=0),
        curtailed_wh=fields.integer("curtailed_wh", least=0),
        amount_nano=fields.integer("amount_nano"),
        price_micro_per_kwh=fields.integer("price_micro_per_kwh") if fields.has("price_micro_per_kwh") else None,
    )
    fields.close()
    return order


def _transfer(fields: Fields) -> OwnTransfer:
    kind = fields.text("kind")
    if kind not in set(TransferKind):
        raise FieldError(fields.at("kind"), f"is {kind!r}, no kind of transfer")
    moves_energy = fields.has("energy_wh")
    transfer = OwnTransfer(
        run=fields.text("run"),
        kind=TransferKind(kind),
        subject=fields.text("subject"),
        part=fields.text("part"),
        paid_nano=fields.integer("paid_nano"),
        energy_wh=fields.integer("energy_wh", least=1) if moves_energy else 0,
        price_micro_per_kwh=fields.integer("price_micro_per_kwh") if moves_energy else 0,
    )
    fields.close()
    return transfer


READING_FIGURES = ("seq", "start_s", "duration_s", "import_mwh", "export_mwh", "flags")


def reading_batch_json(batch: ReadingBatch) -> dict[str, object]:
    """A signed batch as the statement carries it."""
    return {
        "device": batch.device,
        "epoch": batch.epoch,
        "previous_hash": "0x" + batch.previous_hash.hex(),
        "signature": "0x" + batch.signature.hex(),
        "readings": [{name: getattr(reading, name) for name in READING_FIGURES} for reading in batch.readings],
    }


def read_reading_batch(fields: Fields) -> ReadingBatch:
    """The inverse of `reading_batch_json`. Raises FieldError."""
    device, epoch = fields.text("device"), fields.integer("epoch", least=0)
    readings = []
    for row in fields.rows("readings"):
        values: Mapping[str, int] = {name: row.integer(name, least=0, most=2**63) for name in READING_FIGURES}
        row.close()
        readings.append(RegisterReading(device=device, epoch=epoch, **values))
    if not readings:
        raise FieldError(fields.at("readings"), "is empty")
    batch = ReadingBatch(
        device=device,
        epoch=epoch,
        readings=tuple(readings),
        previous_hash=fields.octets("previous_hash", 32),
        signature=fields.octets("signature", 65),
    )
    fields.close()
    return batch
