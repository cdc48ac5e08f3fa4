"""Supply and demand of one sealed book as two staircases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.web.charts.axis import PLOT_WIDTH, Tick, decimals_of, round_steps

PLOT_HEIGHT = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class MeritOrder:
    """Geometry in a plot of 1000 x `height`.

    price_y, limit_y in pixels; traded_at is the traded energy as a percentage across; None where unknown.
    """

    demand: str
    supply: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    price_y: float | None
    limit_y: float | None
    traded_at: float | None
    height: int = PLOT_HEIGHT


def merged_steps(steps: Iterable[tuple[int, int]], *, descending: bool) -> list[tuple[int, int]]:
    """(limit, Wh) pairs with one step per limit, in merit order: nothing tells one order from another."""
    merged: dict[int, int] = {}
    for limit, energy_wh in steps:
        merged[limit] = merged.get(limit, 0) + energy_wh
    return sorted(((limit, wh) for limit, wh in merged.items() if wh), reverse=descending)


def merit_order(
    *,
    demand: Sequence[tuple[int, int]],
    supply: Sequence[tuple[int, int]],
    price_micro: int | None,
    limit_micro: int | None,
    traded_wh: int | None,
    micro_per_unit: int,
) -> MeritOrder:
    """Geometry of merged steps; `demand` falls and `supply` rises."""
    marks = [price for price in (price_micro, limit_micro) if price is not None]
    prices = [limit for limit, _ in (*demand, *supply)] + marks
    low, high = min(prices, default=0) / micro_per_unit, max(prices, default=micro_per_unit) / micro_per_unit
    margin = 0.12 * (high - low) or 0.5
    y_steps = round_steps(low - margin, high + margin, count=5)
    total_wh = max(sum(wh for _, wh in demand), sum(wh for _, wh in supply), 1)
    x_steps = round_steps(0, total_wh / 1000, count=4)
    y_scale = PLOT_HEIGHT / (y_steps[-1] - y_steps[0])
    x_scale = PLOT_WIDTH / (x_steps[-1] * 1000)

    def y(limit_micro: float) -> float:
        return (y_steps[-1] - limit_micro / micro_per_unit) * y_scale

    def staircase(steps: Sequence[tuple[int, int]], *, ends_at_y: int) -> str:
        """Steps, then straight to the edge: beyond the last order nobody wants or offers anything."""
        path: list[str] = []
        x = 0.0
        for limit, energy_wh in steps:
            path.append(f"{'L' if path else 'M'}{x:.1f} {y(limit):.1f}")
            x += energy_wh * x_scale
            path.append(f"H{x:.1f}")
        return "".join([*path, f"V{ends_at_y}"]) if path else ""

    x_decimals, y_decimals = decimals_of(x_steps), decimals_of(y_steps)
    return MeritOrder(
        demand=staircase(demand, ends_at_y=PLOT_HEIGHT),
        supply=staircase(supply, ends_at_y=0),
        x_ticks=tuple(
            Tick(at=100 * step / x_steps[-1], label=f"{step:.{x_decimals}f}", value=step) for step in x_steps
        ),
        y_ticks=tuple(
            Tick(at=(y_steps[-1] - step) * y_scale, label=f"{step:.{y_decimals}f}", value=step) for step in y_steps
        ),
        price_y=None if price_micro is None else y(price_micro),
        limit_y=None if limit_micro is None else y(limit_micro),
        traded_at=None if traded_wh is None else traded_wh * x_scale / PLOT_WIDTH * 100,
    )
