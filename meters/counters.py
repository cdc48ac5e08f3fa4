"""From what a meter shows to registers that only grow.

A decrease is a rollover only where the meter's rollover is documented and the step is plausible. Any other decrease,
and a rise that no connection can carry, is suspect: nothing is taken from it until a second read, at least a second
later, agrees with it. Then another meter is counting, and a new epoch begins with that first suspect read.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from meters.reading import CounterRead
from meters.vee import CounterLimits, Finding, Rule, above_connection_rating, decrease, most_mwh, out_of_order

CONFIRMED_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterState:
    """What is known of a device's counters.

    last      the last accepted read, with rollovers added; None before the first of an epoch
    import_offset_mwh, export_offset_mwh  what rollovers have added so far
    suspect   a read that was not accepted and waits for a second one, as the meter showed it
    """

    epoch: int = 0
    last: CounterRead | None = None
    import_offset_mwh: int = 0
    export_offset_mwh: int = 0
    suspect: CounterRead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterStep:
    """One read taken into account.

    before, after  the accepted reads that bracket the time since the last step; after is None if nothing was accepted,
                   before is None for the first read of an epoch
    """

    state: CounterState
    before: CounterRead | None
    after: CounterRead | None
    findings: tuple[Finding, ...] = ()


def advance(state: CounterState, read: CounterRead, limits: CounterLimits) -> CounterStep:
    """Take one more read of the same device into account."""
    last = state.last
    if last is None:
        return _accept(state, None, read, ())
    shown = replace(
        read,
        import_mwh=read.import_mwh + state.import_offset_mwh,
        export_mwh=read.export_mwh + state.export_offset_mwh,
    )
    if found := out_of_order(last, shown):
        return CounterStep(state=state, before=last, after=None, findings=tuple(found))
    rolled, rollovers = _rolled_over(last, shown, limits)
    doubts = [*decrease(last, rolled), *above_connection_rating(last, rolled, limits)]
    if doubts:
        return _doubt(state, read, limits, doubts)
    moved = replace(
        state,
        import_offset_mwh=rolled.import_mwh - read.import_mwh,
        export_offset_mwh=rolled.export_mwh - read.export_mwh,
    )
    return _accept(moved, last, _never_less(last, rolled), rollovers)


def replaced(state: CounterState, read: CounterRead) -> CounterStep:
    """Another device answers: a new epoch begins with this read."""
    fresh = CounterState(epoch=state.epoch + 1)
    return _accept(fresh, None, read, (Finding(rule=Rule.REPLACED, message=f"epoch {fresh.epoch} begins"),))


def _accept(
    state: CounterState, before: CounterRead | None, read: CounterRead, findings: tuple[Finding, ...]
) -> CounterStep:
    return CounterStep(state=replace(state, last=read, suspect=None), before=before, after=read, findings=findings)


def _doubt(state: CounterState, read: CounterRead, limits: CounterLimits, doubts: list[Finding]) -> CounterStep:
    first = state.suspect
    if first is None or not _agree(first, read, limits):
        kept = replace(state, suspect=read)
        return CounterStep(state=kept, before=state.last, after=None, findings=tuple(doubts))
    epoch = state.epoch + 1
    begins = Finding(rule=Rule.REPLACED, message=f"read twice: epoch {epoch} begins at {first.at.isoformat()}")
    return _accept(CounterState(epoch=epoch), first, _never_less(first, read), (*doubts, begins))


def _agree(first: CounterRead, second: CounterRead, limits: CounterLimits) -> bool:
    if second.at - first.at < CONFIRMED_AFTER:
        return False
    return not decrease(first, second) and not above_connection_rating(first, second, limits)


def _never_less(before: CounterRead, after: CounterRead) -> CounterRead:
    """A decrease within the counter's step is its precision: the register stays where it was."""
    return replace(
        after,
        import_mwh=max(before.import_mwh, after.import_mwh),
        export_mwh=max(before.export_mwh, after.export_mwh),
    )


def _rolled_over(
    last: CounterRead, shown: CounterRead, limits: CounterLimits
) -> tuple[CounterRead, tuple[Finding, ...]]:
    most = most_mwh(limits.connection_w, shown.at - last.at) + 2 * shown.step_mwh
    import_mwh = _continued(last.import_mwh, shown.import_mwh, limits.import_rollover_mwh, most)
    export_mwh = _continued(last.export_mwh, shown.export_mwh, limits.export_rollover_mwh, most)
    rolled = replace(shown, import_mwh=import_mwh, export_mwh=export_mwh)
    if rolled == shown:
        return shown, ()
    return rolled, (Finding(rule=Rule.ROLLOVER, message="a counter started again from zero, as documented"),)


def _continued(last_mwh: int, shown_mwh: int, rollover_mwh: int | None, most_mwh_since: int) -> int:
    if rollover_mwh is None or shown_mwh >= last_mwh:
        return shown_mwh
    continued = shown_mwh + rollover_mwh
    return continued if 0 <= continued - last_mwh <= most_mwh_since else shown_mwh
