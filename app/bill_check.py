"""What a verification found, as the few steps that a member can follow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.proofs import LineProof

_BROKEN_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStep:
    """One step from the meter to the bill: how many lines were proved, and the first of those that do not hold."""

    title: str
    words: str
    count: int
    broken_count: int
    broken: tuple[LineProof, ...]

    @property
    def holds(self) -> bool:
        return self.broken_count == 0


_STEPS = (
    (
        re.compile(r"chain\b|the checkpoint"),
        "The ledger is the right one",
        "It is the community's own, runs the published rules, and still has every page that was delivered before.",
    ),
    (
        re.compile(r"batches\[\d+\](?!\.(rounds|intervals))"),
        "Your days are in the ledger",
        "What each day is made of, and what it cost or earned you, is what the ledger was given at the time.",
    ),
    (
        re.compile(r"readings\b"),
        "The readings are your meter's",
        "They were signed when they were taken, none is missing, and none was changed afterwards.",
    ),
    (
        re.compile(r"batches\[\d+\]\.rounds|tariffs\b"),
        "Prices and fees are those that applied",
        "Every price is the one of its market round, every fee is in the tariff of that day.",
    ),
    (
        re.compile(r"batches\[\d+\]\.intervals"),
        "Every quarter of an hour is computed right",
        "From metered energy and your own limits follow what you bought and sold, what it cost, and the taxes on it.",
    ),
    (
        re.compile(r"totals\b|bill\b|covered|provisional\b|currency\b"),
        "The bill adds up",
        "The lines are the sums of the intervals, to the cent.",
    ),
    (re.compile(r""), "The file is complete", "Nothing is in it that nobody could check."),
)


def steps_of(proofs: Sequence[LineProof]) -> tuple[CheckedStep, ...]:
    """The steps in order; one of which nothing was seen is left out."""
    lines: dict[int, list[LineProof]] = {}
    for proof in proofs:
        number = next(i for i, (pattern, _, _) in enumerate(_STEPS) if pattern.match(proof.line))
        lines.setdefault(number, []).append(proof)
    return tuple(_step(number, lines[number]) for number in sorted(lines))


def _step(number: int, lines: Sequence[LineProof]) -> CheckedStep:
    _, title, words = _STEPS[number]
    broken = tuple(line for line in lines if not line.holds)
    return CheckedStep(
        title=title, words=words, count=len(lines), broken_count=len(broken), broken=broken[:_BROKEN_SHOWN]
    )
