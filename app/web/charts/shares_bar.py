"""Shares of a whole, as one bar."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.axis import PLOT_WIDTH

GAP = 4.0
"""Between neighbours, so that they differ without their colours, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePiece:
    """A piece of the bar from `x`, in a plot 1000 wide."""

    series: str
    x: float
    width: float


def shares_bar(amounts: Sequence[tuple[str, int]]) -> tuple[SharePiece, ...]:
    """Pieces of (series, amount) in their order, without those of nothing; empty where all are nothing."""
    shown = [(series, amount) for series, amount in amounts if amount]
    whole = sum(amount for _, amount in shown)
    room = PLOT_WIDTH - GAP * (len(shown) - 1)
    pieces, x = [], 0.0
    for series, amount in shown:
        width = room * amount / whole
        pieces.append(SharePiece(series=series, x=x, width=width))
        x += width + GAP
    return tuple(pieces)
