"""Settled energy of two households wherever a test wants it: the transfers and allocations of a settlement."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete

from app.storage.database import writing
from app.storage.store.community import add_tariff
from app.storage.store.readings import ENERGY, save_substitutes
from app.storage.store.settlement import ALLOCATIONS, TRANSFERS, post_transfers, save_allocations
from app.storage.tables import TariffVersion, core_table
from contracts.settlement import Allocation
from contracts.tariff import Tariff
from contracts.transfers import (
    GRID_FEE,
    LEVIES,
    MARKET,
    PLATFORM_FEE,
    ROUNDING,
    TREASURY,
    VAT,
    Postings,
    TransferKind,
    member_account,
)
from meters.interval import DeliveryInterval, IntervalEnergy

TARIFF = Tariff(version="2025")
LATER = Tariff(version="2025b", grid_fee_micro_per_kwh=81_300, levies_micro_per_kwh=12_700)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """Energy of a household in the interval that starts at `start_s`, Wh, and the price at which it was shared."""

    name: str
    start_s: int
    bought_wh: int = 0
    import_wh: int = 0
    sold_wh: int = 0
    export_wh: int = 0
    price_micro_per_kwh: int = 100_000


def tariffs(engine: Engine, *, later_from_s: int | None = None) -> None:
    """One tariff since 1970 and, if wanted, another from a moment on."""
    with writing(engine) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(TARIFF.to_json()))
        if later_from_s is not None:
            add_tariff(connection, valid_from_s=later_from_s, tariff_json=json.dumps(LATER.to_json()))


def clear_all(engine: Engine) -> None:
    """Take every settled interval and the tariffs away again."""
    with writing(engine) as connection:
        for table in (ALLOCATIONS, TRANSFERS, ENERGY, core_table(TariffVersion)):
            connection.execute(delete(table))


def settle(engine: Engine, rows: list[Metered], *, later_from_s: int | None = None) -> None:
    """Store energy, allocations and transfers of the rows; `bought_wh` and `sold_wh` are parts of what was metered."""
    with writing(engine) as connection:
        for row in rows:
            _store(connection, row, LATER if later_from_s is not None and row.start_s >= later_from_s else TARIFF)


def _store(connection: Connection, row: Metered, tariff: Tariff) -> None:
    interval = DeliveryInterval.at(row.start_s)
    point = f"mp-{row.name}"
    energy = IntervalEnergy(metering_point=point, interval=interval, import_wh=row.import_wh, export_wh=row.export_wh)
    save_substitutes(connection, [energy], received_s=row.start_s + 900)
    allocation = Allocation(
        metering_point=point,
        participant=row.name,
        interval=interval,
        bought_wh=row.bought_wh,
        sold_wh=row.sold_wh,
        residual_import_wh=row.import_wh - row.bought_wh,
        residual_export_wh=row.export_wh - row.sold_wh,
    )
    save_allocations(connection, row.start_s, "D1", [allocation])
    post_transfers(connection, _transfers(row, point, interval, tariff).transfers)


def _transfers(row: Metered, point: str, interval: DeliveryInterval, tariff: Tariff) -> Postings:
    book, account = Postings(interval, "D1"), member_account(row.name)
    energy_nano = row.bought_wh * row.price_micro_per_kwh
    parts = (
        (TransferKind.ENERGY, f"buy@{row.price_micro_per_kwh}", MARKET, energy_nano),
        (TransferKind.PLATFORM_FEE, "buy", PLATFORM_FEE, row.bought_wh * tariff.platform_fee_micro_per_kwh),
        (TransferKind.GRID_FEE, "buy", GRID_FEE, row.bought_wh * tariff.shared_grid_fee_micro_per_kwh),
        (TransferKind.LEVIES, "buy", LEVIES, row.bought_wh * tariff.shared_levies_micro_per_kwh),
    )
    vat_permille = tariff.vat("private").buying_permille
    for kind, part, to, nano in (
        *parts,
        (TransferKind.VAT, "buy", VAT, sum(part[3] for part in parts) * vat_permille // 1000),
    ):
        book.post(kind, point, part, debit=account, credit=to, amount_nano=nano)
    sold_nano = row.sold_wh * row.price_micro_per_kwh
    part = f"sell@{row.price_micro_per_kwh}"
    book.post(TransferKind.ENERGY, point, part, debit=MARKET, credit=account, amount_nano=sold_nano)
    # Neither is a cost of energy: money paid in, and what rounding an invoice carried over.
    book.post(TransferKind.PAYMENT, account, "x", debit=TREASURY, credit=account, amount_nano=50_000_000)
    return book


def carry(engine: Engine, name: str, start_s: int, nano: int) -> None:
    """Carry a rest of rounding on a member's account, as an invoice does."""
    book = Postings(DeliveryInterval.at(start_s), "D1")
    account = member_account(name)
    book.post(TransferKind.ROUNDING, account, "closing", debit=account, credit=ROUNDING, amount_nano=nano)
    with writing(engine) as connection:
        post_transfers(connection, book.transfers)
