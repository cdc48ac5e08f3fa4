"""Transfers that set right what was posted before: differences of a later run, and the congestion account's rebate.

Nothing is ever edited: a late or corrected reading settles its whole interval again with the frozen price, and what
differs from all that was posted so far is posted as new transfers.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from contracts.allocation import PointTerms
from contracts.settlement import IntervalSettlement
from contracts.shares import share_out
from contracts.transfers import (
    CONGESTION,
    BusinessKey,
    Postings,
    Transfer,
    TransferKind,
    business_key,
    member_account,
    net_positions,
)
from meters.interval import DeliveryInterval


def difference_transfers(old: Iterable[Transfer], new: Iterable[Transfer], run: str) -> tuple[Transfer, ...]:
    """Transfers of `run` that turn everything posted so far (`old`) into a fresh settlement (`new`), sorted by id.

    `old` is all that was ever posted for the intervals concerned, earlier differences included; what did not change is
    not posted. Raises ValueError if `run` has posted for one of those intervals before: give each correction its name.
    """
    change: dict[BusinessKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    energy_wh: dict[BusinessKey, int] = defaultdict(int)
    model: dict[BusinessKey, Transfer] = {}
    for sign, transfers in ((-1, old), (1, new)):
        for transfer in transfers:
            if sign < 0 and transfer.run == run:
                raise ValueError(f"run {run} has already posted {transfer.transfer_id}: give the correction a new name")
            key = business_key(transfer)
            first = model.setdefault(key, transfer)
            forward = 1 if (transfer.debit, transfer.credit) == (first.debit, first.credit) else -1
            change[key][transfer.debit] -= sign * transfer.amount_nano
            change[key][transfer.credit] += sign * transfer.amount_nano
            energy_wh[key] += sign * forward * transfer.energy_wh
    books: dict[DeliveryInterval, Postings] = {}
    for key, first in model.items():
        moved = change[key]
        assert sum(moved.values()) == 0
        if not {name for name, nano in moved.items() if nano} <= {first.debit, first.credit}:
            raise ValueError(
                f"{first.transfer_id}: other accounts than before: settle again with the owners of that day"
            )
        books.setdefault(first.interval, Postings(first.interval, run)).post(
            key.kind,
            key.subject,
            key.part,
            debit=first.debit,
            credit=first.credit,
            amount_nano=moved[first.credit],
            energy_wh=abs(energy_wh[key]),
            price_micro_per_kwh=first.price_micro_per_kwh,
        )
    return tuple(
        sorted((each for book in books.values() for each in book.transfers), key=lambda each: each.transfer_id)
    )


def congestion_rebate(
    balance_nano: int,
    points: Sequence[PointTerms],
    *,
    interval: DeliveryInterval,
    run: str,
    tie_seed: str,
    drawn_wh: Mapping[str, int] | None = None,
) -> tuple[Transfer, ...]:
    """Empty the congestion account into all metering points equally, or refill it equally where it is below zero.

    `balance_nano` is the account's balance (+ it holds money); `interval` is the one the transfers are booked in, for
    example the last of a batch. Shares are floored, the rest goes by keyed hash; the account ends at exactly zero.

    With `drawn_wh`, by metering point, it is what an island lost and balanced, and shared in proportion to that, or
    equally where nobody drew anything.
    """
    names = sorted(point.metering_point for point in points)
    owners = {point.metering_point: member_account(point.participant) for point in points}
    sign = 1 if balance_nano > 0 else -1
    part = "rebate" if drawn_wh is None else "losses"
    weights = [1 if drawn_wh is None else drawn_wh.get(name, 0) for name in names]
    if not any(weights):
        weights = [1] * len(names)
    shares = share_out(abs(balance_nano), weights, names, seed=f"{tie_seed}/{interval.start_s}/{part}")
    book = Postings(interval, run)
    for name, share in zip(names, shares, strict=True):
        book.post(
            TransferKind.CONGESTION,
            name,
            part,
            debit=CONGESTION,
            credit=owners[name],
            amount_nano=sign * share,
        )
    assert net_positions(book.transfers).get(CONGESTION, 0) == -balance_nano
    return tuple(book.transfers)


def congestion_shares(
    rounds: Sequence[tuple[IntervalSettlement, bool]], points: Sequence[PointTerms], *, run: str, tie_seed: str
) -> tuple[Transfer, ...]:
    """What the congestion account took or gave in the rounds of a batch, shared in the last of them.

    With each round is said whether it was an island's: what those took is shared by what was drawn in them, else
    equally. Rounds ascend by time.
    """
    shares: list[Transfer] = []
    for islanded in (False, True):
        settled = [each for each, is_island in rounds if is_island is islanded]
        drawn_wh: Counter[str] = Counter()
        for each in settled:
            drawn_wh.update({point.metering_point: point.import_wh for point in each.allocations})
        shares += congestion_rebate(
            net_positions(transfer for each in settled for transfer in each.transfers).get(CONGESTION, 0),
            points,
            interval=rounds[-1][0].interval,
            run=run,
            tie_seed=tie_seed,
            drawn_wh=drawn_wh if islanded else None,
        )
    return tuple(shares)
