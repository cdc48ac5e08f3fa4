"""A member's energy and its cost by hour, day and month, so that every total is the one of the statement.

Money is rounded where the statement rounds it: once a month. What a day or an hour cost is the rounded cost of the
month up to its end, less the rounded cost up to its beginning. So hours add up to their day, days to their month and
months to their year, to the cent, and no figure is more than a cent from its own exact value.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import Connection

from app.member_costs import Terms, stretches_of_terms, tariff_schedule
from app.periods import Period, PeriodKind
from app.storage.store.community import tariff_versions
from app.storage.store.history import SharedSum, paid_sums, shared_sums, unshared_sums
from app.storage.store.members import Participant, metering_points, participant
from contracts.allocation import PointTerms
from contracts.bills import BillItem, half_up_cents
from contracts.comparison import SuppliedEnergy, supplier_only_bill
from contracts.transfers import member_account


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySpan:
    """Energy of [start_s, end_s) in Wh, and what it cost in whole cents; + is what the member pays.

    bought_wh, sold_wh          shared with neighbours
    residual_*_wh               left to the own supplier
    unshared_*_wh               metered, but in no settlement: not settled yet, or from before there was a market
    with_community_cents        everything, the supplier's part included
    alone_cents                 the same energy without a community
    credit_cents                what energy that went out earned, with the community; contained in the former
    """

    start_s: int
    end_s: int
    bought_wh: int = 0
    sold_wh: int = 0
    residual_import_wh: int = 0
    residual_export_wh: int = 0
    unshared_import_wh: int = 0
    unshared_export_wh: int = 0
    with_community_cents: int = 0
    credit_cents: int = 0
    alone_cents: int = 0

    @property
    def saved_cents(self) -> int:
        return self.alone_cents - self.with_community_cents

    @property
    def import_cost_cents(self) -> int:
        """What energy that came in cost, before the credit for what went out."""
        return self.with_community_cents + self.credit_cents

    @property
    def import_wh(self) -> int:
        return self.bought_wh + self.residual_import_wh + self.unshared_import_wh

    @property
    def export_wh(self) -> int:
        return self.sold_wh + self.residual_export_wh + self.unshared_export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A period of a member, in parts that add up to `total`."""

    period: Period
    parts: tuple[HistorySpan, ...]
    total: HistorySpan

    @property
    def is_empty(self) -> bool:
        return not self.total.import_wh and not self.total.export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class _Money:
    with_community_nano: int
    credit_nano: int
    alone_nano: int

    def cents(self) -> tuple[int, int, int]:
        return half_up_cents(self.with_community_nano), half_up_cents(self.credit_nano), half_up_cents(self.alone_nano)


def history_of(connection: Connection, participant_id: str, period: Period) -> History:
    """A member's period in its parts. An unknown member has an empty one."""
    edges = period.edges_s()
    parts = _spans(connection, participant_id, period.month_start_s, edges, period)
    return History(period=period, parts=parts, total=_together(parts))


def total_until(connection: Connection, participant_id: str, period: Period, until_s: int) -> HistorySpan:
    """The part of a period that lies before `until_s`, as one span."""
    end_s = min(max(until_s, period.start_s), period.end_s)
    months = [each.start_s for each in period.parts()] if period.kind is PeriodKind.YEAR else []
    edges = sorted({period.start_s, *(start_s for start_s in months if start_s < end_s), end_s})
    if len(edges) < 2:
        return HistorySpan(start_s=period.start_s, end_s=end_s)
    return _together(_spans(connection, participant_id, period.month_start_s, edges, period))


def _together(parts: Sequence[HistorySpan]) -> HistorySpan:
    names = [name for name in HistorySpan.__dataclass_fields__ if not name.endswith("_s")]
    sums = {name: sum(getattr(part, name) for part in parts) for name in names}
    return HistorySpan(start_s=parts[0].start_s, end_s=parts[-1].end_s, **sums)


def _spans(
    connection: Connection, participant_id: str, base_s: int, edges: Sequence[int], period: Period
) -> tuple[HistorySpan, ...]:
    """A span for each two neighbours of `edges`; money counts from `base_s`, and anew from the first of each month."""
    empty = [HistorySpan(start_s=start_s, end_s=end_s) for start_s, end_s in pairwise(edges)]
    member = participant(connection, participant_id)
    if member is None:
        return tuple(empty)
    points = [point.id for point in metering_points(connection, participant_id=member.id)]
    unshared = unshared_sums(connection, points, edges)
    spans = [
        replace(span, unshared_import_wh=import_wh, unshared_export_wh=export_wh)
        for span, (import_wh, export_wh) in zip(empty, unshared, strict=True)
    ]
    if not tariff_versions(connection):
        return tuple(spans)
    terms = tuple(stretches_of_terms(connection, member.id, base_s, edges[-1], tariff_schedule(connection)))
    cuts = sorted({base_s, *edges, *(each.start_s for each in terms), *(each.end_s for each in terms)})
    shared = shared_sums(connection, points, cuts)
    paid = paid_sums(connection, member_account(member.id), cuts)
    resets = {base_s} if period.kind is not PeriodKind.YEAR else {each.start_s for each in period.parts()}
    money = dict(_money_by_cut(member, terms, cuts, shared, paid, resets))
    return tuple(
        _with_money(
            _with_energy(span, cuts, shared),
            until=money[span.end_s],
            before=None if span.start_s in resets else money[span.start_s],
        )
        for span in spans
    )


def _with_energy(span: HistorySpan, cuts: Sequence[int], shared: Sequence[Sequence[SharedSum]]) -> HistorySpan:
    within = [
        each
        for start_s, sums in zip(cuts, shared, strict=False)
        if span.start_s <= start_s < span.end_s
        for each in sums
    ]
    names = ("bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh")
    return replace(span, **{name: sum(getattr(each, name) for each in within) for name in names})


def _with_money(span: HistorySpan, *, until: _Money, before: _Money | None) -> HistorySpan:
    end, start = until.cents(), (0, 0, 0) if before is None else before.cents()
    full, credit, alone = (last - first for last, first in zip(end, start, strict=True))
    return replace(span, with_community_cents=full, credit_cents=credit, alone_cents=alone)


def _money_by_cut(
    member: Participant,
    terms: Sequence[Terms],
    cuts: Sequence[int],
    shared: Sequence[Sequence[SharedSum]],
    paid: Sequence[tuple[int, int]],
    resets: set[int],
) -> Iterator[tuple[int, _Money]]:
    """(instant, money from the month's begin up to it) for every cut but the first."""
    energy: dict[tuple[str, int], list[int]] = {}
    paid_nano = earned_nano = 0
    for (start_s, end_s), sums, (all_nano, credit_nano) in zip(pairwise(cuts), shared, paid, strict=True):
        if start_s in resets:
            energy, paid_nano, earned_nano = {}, 0, 0
        paid_nano += all_nano
        earned_nano += credit_nano
        for index in (i for i, each in enumerate(terms) if each.start_s <= start_s < each.end_s):
            for each in sums:
                row = energy.setdefault((each.metering_point, index), [0, 0, 0, 0])
                row[:] = (so_far + wh for so_far, wh in zip(row, each.energies_wh, strict=True))
        yield end_s, _money(member, terms, energy, paid_nano, earned_nano)


def _money(
    member: Participant,
    terms: Sequence[Terms],
    energy: dict[tuple[str, int], list[int]],
    paid_nano: int,
    earned_nano: int,
) -> _Money:
    residual, whole = [], []
    for (point, index), (bought_wh, sold_wh, import_wh, export_wh) in energy.items():
        contract, tariff = terms[index].contract, terms[index].tariff
        about = PointTerms(
            metering_point=point,
            participant=member.id,
            supplier_price_micro_per_kwh=contract.supplier_price_micro_per_kwh,
            feed_in_price_micro_per_kwh=contract.feed_in_price_micro_per_kwh,
            vat_class=terms[index].vat_class,
        )
        residual.append(SuppliedEnergy(terms=about, tariff=tariff, import_wh=import_wh, export_wh=export_wh))
        whole.append(
            SuppliedEnergy(terms=about, tariff=tariff, import_wh=bought_wh + import_wh, export_wh=sold_wh + export_wh)
        )
    supplied = supplier_only_bill(residual)
    return _Money(
        with_community_nano=paid_nano + supplied.total_nano,
        credit_nano=earned_nano - supplied.amount_nano(BillItem.FEED_IN, BillItem.VAT_ON_FEED_IN),
        alone_nano=supplier_only_bill(whole).total_nano,
    )
