"""Ticks of an axis."""

import math
from dataclasses import dataclass

PLOT_WIDTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A tick with its label: `at` is a percentage across for x and pixels down for y."""

    at: float
    label: str
    value: float


def round_steps(low: float, high: float, *, count: int = 4) -> list[float]:
    """Round values (1, 2, 2.5 or 5 times a power of ten) that cover [low, high] in about `count` steps.

    The first is <= low and the last >= high, but for a billionth of a step; equal bounds give a span of one step.
    """
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * count >= span - 1e-12)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [index * step for index in range(first, last + 1)]


def decimals_of(steps: list[float]) -> int:
    """Decimals that tell neighbouring steps apart."""
    return max(0, -math.floor(math.log10(steps[1] - steps[0]) + 1e-9) + (_has_half(steps[1] - steps[0])))


def _has_half(step: float) -> int:
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    return int(abs(mantissa - 2.5) < 1e-6)


def hour_ticks(start_s: int, end_s: int, hours: list[tuple[int, str]]) -> tuple[Tick, ...]:
    """Ticks of a time axis from instants with labels, in percent of [start_s, end_s]."""
    span = end_s - start_s
    return tuple(Tick(at=100 * (at_s - start_s) / span, label=label, value=at_s) for at_s, label in hours)
