"""What a member's energy cost in any span of time, from sums alone: no row becomes an object."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, func, select

from app.errors import InputError
from app.storage.store.community import tariff_versions
from app.storage.store.members import CONTRACTS, Participant, SupplyContract, metering_points, participant
from app.storage.store.settlement import ALLOCATIONS, TRANSFERS
from app.storage.store.vat_classes import vat_history
from contracts.allocation import PointTerms
from contracts.comparison import SuppliedEnergy, supplier_only_bill
from contracts.tariff import Tariff, TariffSchedule
from contracts.transfers import TransferKind, member_account


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Contract, tariff and VAT class that stay the same in [start_s, end_s)."""

    start_s: int
    end_s: int
    contract: SupplyContract
    tariff: Tariff
    vat_class: str


def savings_nano(connection: Connection, participant_id: str, *, start_s: int, end_s: int) -> int:
    """What a member saved (+) in the settled intervals that start in [start_s, end_s) against the own supplier alone.

    The total of `Statement.gains` for the same rows, from sums alone: no row is turned into an object.
    """
    member = participant(connection, participant_id)
    versions = tariff_versions(connection)
    if member is None or not versions:
        return 0
    residual, whole = supplied_energy(connection, member, start_s, end_s, tariff_schedule(connection))
    paid_nano = _paid_nano(connection, member_account(member.id), start_s, end_s)
    return supplier_only_bill(whole).total_nano - paid_nano - supplier_only_bill(residual).total_nano


def tariff_schedule(connection: Connection) -> TariffSchedule:
    """All tariff versions of the community. Raises InputError before the first."""
    versions = tariff_versions(connection)
    if not versions:
        raise InputError("the community has no tariff yet: add one before the first statement")
    return TariffSchedule(versions=tuple((start_s, Tariff.from_json(text)) for start_s, text in versions))


def _paid_nano(connection: Connection, account: str, start_s: int, end_s: int) -> int:
    """What an account paid for the energy of the span: payments and carried rounding are no cost of it."""
    total = 0
    for side, sign in ((TRANSFERS.c.debit, 1), (TRANSFERS.c.credit, -1)):
        query = select(func.coalesce(func.sum(TRANSFERS.c.amount_nano), 0)).where(
            side == account,
            TRANSFERS.c.start_s >= start_s,
            TRANSFERS.c.start_s < end_s,
            TRANSFERS.c.kind.not_in([TransferKind.PAYMENT.value, TransferKind.ROUNDING.value]),
        )
        total += sign * int(connection.execute(query).scalar_one())
    return total


def supplied_energy(
    connection: Connection, member: Participant, start_s: int, end_s: int, schedule: TariffSchedule
) -> tuple[list[SuppliedEnergy], list[SuppliedEnergy]]:
    """(what the community left to the own supplier, all metered energy), a row per point and stretch of terms."""
    points = [point.id for point in metering_points(connection, participant_id=member.id)]
    residual, whole = [], []
    for terms in stretches_of_terms(connection, member.id, start_s, end_s, schedule):
        columns = ("bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh")
        query = (
            select(ALLOCATIONS.c.metering_point_id, *(func.sum(ALLOCATIONS.c[name]) for name in columns))
            .where(
                ALLOCATIONS.c.metering_point_id.in_(points),
                ALLOCATIONS.c.start_s >= terms.start_s,
                ALLOCATIONS.c.start_s < terms.end_s,
            )
            .group_by(ALLOCATIONS.c.metering_point_id)
            .order_by(ALLOCATIONS.c.metering_point_id)
        )
        for point, *sums in connection.execute(query):
            bought_wh, sold_wh, import_wh, export_wh = (int(value) for value in sums)
            about = PointTerms(
                metering_point=point,
                participant=member.id,
                supplier_price_micro_per_kwh=terms.contract.supplier_price_micro_per_kwh,
                feed_in_price_micro_per_kwh=terms.contract.feed_in_price_micro_per_kwh,
                vat_class=terms.vat_class,
            )
            residual.append(SuppliedEnergy(terms=about, tariff=terms.tariff, import_wh=import_wh, export_wh=export_wh))
            whole.append(
                SuppliedEnergy(
                    terms=about, tariff=terms.tariff, import_wh=bought_wh + import_wh, export_wh=sold_wh + export_wh
                )
            )
    return residual, whole


def stretches_of_terms(
    connection: Connection, participant_id: str, start_s: int, end_s: int, schedule: TariffSchedule
) -> Iterator[Terms]:
    """The parts of [start_s, end_s) in which contract, tariff and VAT class stay the same, as far as both are known."""
    rows = connection.execute(
        select(CONTRACTS).where(CONTRACTS.c.participant_id == participant_id).order_by(CONTRACTS.c.valid_from_s)
    ).mappings()
    contracts = [SupplyContract(**{name: row[name] for name in SupplyContract.__dataclass_fields__}) for row in rows]
    tariff_starts = [valid_from_s for valid_from_s, _ in schedule.versions]
    taxed = vat_history(connection, participant_id)
    edges = {start_s, end_s, *tariff_starts, *(since_s for since_s, _ in taxed.changes)}
    for contract in contracts:
        edges |= {contract.valid_from_s, contract.valid_to_s or end_s}
    inside = sorted(edge for edge in edges if start_s <= edge <= end_s)
    for first, last in pairwise(inside):
        valid = [each for each in contracts if each.valid_from_s <= first and (each.valid_to_s or last) >= last]
        tariff = next((each for since, each in reversed(schedule.versions) if since <= first), None)
        if valid and tariff is not None:
            yield Terms(start_s=first, end_s=last, contract=valid[0], tariff=tariff, vat_class=taxed.at(first))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledEnergy:
    """Energy of one interval that a member's trades promise and the meter confirms, at the clearing price."""

    start_s: int
    bought_wh: int
    sold_wh: int
    price_micro_per_kwh: int


def expected_savings_nano(connection: Connection, participant_id: str, energies: Sequence[UnsettledEnergy]) -> int:
    """What a member can expect to save (+) with energy that is not settled yet; a preview, never a bill."""
    member = participant(connection, participant_id)
    versions = tariff_versions(connection)
    if member is None or not versions or not energies:
        return 0
    schedule = tariff_schedule(connection)
    first_s, end_s = energies[0].start_s, energies[-1].start_s + 1
    total = 0
    for terms in stretches_of_terms(connection, member.id, first_s, end_s, schedule):
        vat = terms.tariff.vat(terms.vat_class)
        outside = terms.contract.supplier_price_micro_per_kwh + terms.tariff.supplied_charges_micro_per_kwh
        for energy in energies:
            if terms.start_s <= energy.start_s < terms.end_s:
                inside = energy.price_micro_per_kwh + terms.tariff.shared_charges_micro_per_kwh
                gained = energy.price_micro_per_kwh - terms.contract.feed_in_price_micro_per_kwh
                total += energy.bought_wh * (outside - inside) * (1000 + vat.buying_permille) // 1000
                total += energy.sold_wh * gained * (1000 + vat.selling_permille) // 1000
    return total
