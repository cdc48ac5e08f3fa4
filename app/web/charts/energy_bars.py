"""Energy of a period, one bar a part: what came in above the line, what went out below it."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.axis import PLOT_WIDTH, Tick, decimals_of, round_steps

PLOT_HEIGHT = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBar:
    """Energy of one interval, or of one part of a longer period, in Wh; what is unshared is in no settlement."""

    start_s: int
    from_neighbours_wh: int
    from_supplier_wh: int
    to_neighbours_wh: int
    to_grid_wh: int
    unshared_import_wh: int = 0
    unshared_export_wh: int = 0

    @property
    def import_wh(self) -> int:
        return self.from_neighbours_wh + self.from_supplier_wh + self.unshared_import_wh

    @property
    def export_wh(self) -> int:
        return self.to_neighbours_wh + self.to_grid_wh + self.unshared_export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBars:
    """Geometry: one path per series in a plot of 1000 x `height`, y ticks in pixels down."""

    paths: tuple[tuple[str, str], ...]
    y_ticks: tuple[Tick, ...]
    zero_y: float
    height: int = PLOT_HEIGHT


def energy_bars(bars: Sequence[EnergyBar], *, start_s: int, end_s: int, interval_s: int) -> EnergyBars:
    """Geometry of `bars`, each `interval_s` wide, over [start_s, end_s)."""
    highest_kwh = max((bar.import_wh for bar in bars), default=0)
    lowest_kwh = max((bar.export_wh for bar in bars), default=0)
    steps = round_steps(-lowest_kwh / 1000, max(highest_kwh / 1000, 0.1), count=4)
    scale = PLOT_HEIGHT / (steps[-1] - steps[0])
    zero_y = steps[-1] * scale
    width = PLOT_WIDTH * interval_s / (end_s - start_s)
    paths: dict[str, list[str]] = {}
    for bar in bars:
        x = PLOT_WIDTH * (bar.start_s - start_s) / (end_s - start_s) + 0.1 * width
        for direction, stack in ((-1, _incoming(bar)), (1, _outgoing(bar))):
            y = zero_y
            for series, energy_wh in stack:
                if energy_wh:
                    height = direction * energy_wh / 1000 * scale
                    paths.setdefault(series, []).append(
                        f"M{x:.1f} {y:.1f}h{0.8 * width:.2f}v{height:.1f}h-{0.8 * width:.2f}z"
                    )
                    y += height
    decimals = decimals_of(steps)
    ticks = tuple(Tick(at=zero_y - step * scale, label=f"{abs(step):.{decimals}f}", value=step) for step in steps)
    return EnergyBars(
        paths=tuple((series, "".join(parts)) for series, parts in paths.items()), y_ticks=ticks, zero_y=zero_y
    )


def _incoming(bar: EnergyBar) -> tuple[tuple[str, int], ...]:
    return (
        ("fill-neighbour", bar.from_neighbours_wh),
        ("fill-supplier", bar.from_supplier_wh),
        ("fill-unshared", bar.unshared_import_wh),
    )


def _outgoing(bar: EnergyBar) -> tuple[tuple[str, int], ...]:
    return (
        ("fill-neighbour", bar.to_neighbours_wh),
        ("fill-sun", bar.to_grid_wh),
        ("fill-unshared", bar.unshared_export_wh),
    )
