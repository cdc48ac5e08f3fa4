"""The clearing price through a day, between what the reader's supplier charges and pays."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.axis import PLOT_WIDTH, Tick, decimals_of, round_steps

PLOT_HEIGHT = 220


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """Geometry in a plot of 1000 x `height`: the price as steps, references as y in pixels."""

    path: str
    y_ticks: tuple[Tick, ...]
    references: tuple[tuple[str, float], ...]
    height: int = PLOT_HEIGHT


def price_line(
    points: Sequence[tuple[int, int]],
    *,
    start_s: int,
    end_s: int,
    interval_s: int,
    references: Sequence[tuple[str, int]],
    micro_per_unit: int,
) -> PriceLine:
    """Geometry of (interval start, price in micro-units per kWh) with named reference prices.

    A missing interval leaves a gap in the line.
    """
    prices = [price / micro_per_unit for _, price in points] + [price / micro_per_unit for _, price in references]
    steps = round_steps(min(prices, default=0.0), max(prices, default=1.0), count=4)
    scale = PLOT_HEIGHT / (steps[-1] - steps[0])

    def y(price_micro: float) -> float:
        return (steps[-1] - price_micro / micro_per_unit) * scale

    path: list[str] = []
    expected_s = None
    for at_s, price in points:
        x = PLOT_WIDTH * (at_s - start_s) / (end_s - start_s)
        path.append(f"{'L' if at_s == expected_s else 'M'}{x:.1f} {y(price):.1f}")
        path.append(f"h{PLOT_WIDTH * interval_s / (end_s - start_s):.2f}")
        expected_s = at_s + interval_s
    decimals = decimals_of(steps)
    return PriceLine(
        path="".join(path),
        y_ticks=tuple(Tick(at=(steps[-1] - step) * scale, label=f"{step:.{decimals}f}", value=step) for step in steps),
        references=tuple((name, y(price)) for name, price in references),
    )
