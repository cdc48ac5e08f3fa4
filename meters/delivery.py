"""Emptying the outbox into the platform: in order, exactly once, and never held up by one bad batch."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from meters.api import ApiError, BatchResult, MeterApi, batch_document
from meters.outbox import Outbox
from meters.outbox_file import Alarm, Chain, Parcel
from meters.signing import ReadingBatch

PARCELS_PER_POST = 200
READINGS_PER_POST = 20_000
REWINDS_MAX = 3

TAKEN = frozenset({"accepted", "duplicate"})
WAITING = frozenset({"unknown_key"})
"""Refusals that pass by themselves: an operator has yet to approve this gateway."""

Sign = Callable[[Parcel], ReadingBatch]
Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A batch the platform did not take, and why."""

    device: str
    epoch: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReport:
    """What one upload achieved.

    accepted   readings acknowledged
    pending    readings still waiting
    refused    what the platform did not take; it stays in the outbox
    restarted  chains (device, epoch) the platform contradicts: their devices go on in a new epoch
    error      why the upload ended early; empty if everything was offered
    """

    accepted: int
    pending: int
    refused: tuple[Refusal, ...] = ()
    restarted: tuple[Key, ...] = ()
    error: str = ""


@dataclass(slots=True)
class _Verdicts:
    """What the results of one post mean for the outbox."""

    marks: dict[Key, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    blocked: dict[Key, str] = field(default_factory=dict)
    held: set[Key] = field(default_factory=set)
    refused: list[Refusal] = field(default_factory=list)


async def deliver(
    outbox: Outbox, api: MeterApi, sign: Sign, *, now_s: int, without: frozenset[Key] = frozenset()
) -> UploadReport:
    """Send until the outbox is empty, nothing moves any more, or the platform cannot be reached."""
    held = set(without)
    rewinds: Counter[Key] = Counter()
    refused: list[Refusal] = []
    restarted: list[Key] = []
    before = {(chain.device, chain.epoch): chain.acknowledged for chain in outbox.chains()}
    error = ""
    while parcels := outbox.parcels(
        parcels_max=PARCELS_PER_POST, readings_max=READINGS_PER_POST, without=frozenset(held)
    ):
        batches = [sign(parcel) for parcel in parcels]
        try:
            results = await api.post_readings(batches)
        except ApiError as failure:
            error = str(failure)
            break
        verdicts = _judge(outbox, batches, results, rewinds, now_s)
        outbox.settle(marks=verdicts.marks, alarms=verdicts.alarms, blocked=verdicts.blocked)
        held |= verdicts.held
        refused += verdicts.refused
        restarted += verdicts.blocked
    after = outbox.chains()
    return UploadReport(
        accepted=sum(chain.acknowledged - before.get((chain.device, chain.epoch), 0) for chain in after),
        pending=sum(chain.pending for chain in after if not chain.blocked),
        refused=tuple(refused),
        restarted=tuple(restarted),
        error=error,
    )


def _judge(
    outbox: Outbox, batches: Sequence[ReadingBatch], results: Sequence[BatchResult], rewinds: Counter[Key], now_s: int
) -> _Verdicts:
    chains = {(chain.device, chain.epoch): chain for chain in outbox.chains()}
    verdicts = _Verdicts()
    stopped: set[Key] = set()
    for batch, result in zip(batches, results, strict=True):
        key = (batch.device, batch.epoch)
        if key in stopped:
            continue
        if result.next_seq > chains[key].next_seq:
            _contradicted(verdicts, batch, result, "ahead", now_s)
        elif result.status in TAKEN and result.next_seq >= batch.first_seq + len(batch.readings):
            verdicts.marks[key] = result.next_seq
            continue
        elif result.code == "gap":
            _rewind(outbox, chains[key], verdicts, batch, result, rewinds, now_s)
        elif result.code == "conflict":
            _contradicted(verdicts, batch, result, "conflict", now_s)
        else:
            _refuse(verdicts, batch, result, now_s)
        stopped.add(key)
    return verdicts


def _rewind(
    outbox: Outbox,
    chain: Chain,
    verdicts: _Verdicts,
    batch: ReadingBatch,
    result: BatchResult,
    rewinds: Counter[Key],
    now_s: int,
) -> None:
    """The platform expects other readings next than these: go there, if they are still here."""
    key = (batch.device, batch.epoch)
    rewinds[key] += 1
    if result.next_seq < chain.next_seq and not outbox.readings(*key, result.next_seq, 1):
        _contradicted(verdicts, batch, result, "lost", now_s)
    elif rewinds[key] > REWINDS_MAX:
        _refuse(verdicts, batch, result, now_s)
    else:
        verdicts.marks[key] = result.next_seq


def _refuse(verdicts: _Verdicts, batch: ReadingBatch, result: BatchResult, now_s: int) -> None:
    code = result.code or result.status
    verdicts.held.add((batch.device, batch.epoch))
    verdicts.refused.append(Refusal(device=batch.device, epoch=batch.epoch, code=code, message=result.message))
    if code not in WAITING:
        verdicts.alarms.append(_alarm(batch, result, code, now_s))


def _contradicted(verdicts: _Verdicts, batch: ReadingBatch, result: BatchResult, kind: str, now_s: int) -> None:
    """Platform and outbox disagree about the past of a chain: both keep what they have, a person decides."""
    key = (batch.device, batch.epoch)
    verdicts.blocked[key] = f"{kind}: {result.message or result.status}"
    verdicts.refused.append(Refusal(device=batch.device, epoch=batch.epoch, code=kind, message=result.message))
    verdicts.alarms.append(_alarm(batch, result, kind, now_s))


def _alarm(batch: ReadingBatch, result: BatchResult, kind: str, now_s: int) -> Alarm:
    return Alarm(
        device=batch.device,
        epoch=batch.epoch,
        first_seq=batch.first_seq,
        kind=kind,
        at_s=now_s,
        message=result.message or f"the platform answered {result.status} and expects {result.next_seq}",
        evidence=json.dumps(batch_document(batch)),
    )
