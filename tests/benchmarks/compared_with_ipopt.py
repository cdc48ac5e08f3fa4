"""One stressed book cleared by the market and by IPOPT, and what lies between the two.

IPOPT is asked twice: from afar, and from the market's result. Where limits of export bind, the states within them are
no convex set, and there can be several optima; a state that wastes more in the cables lets more be fed in. Each of them
keeps the limits exactly, while the market deals in whole Wh and keeps a small margin.
"""

from dataclasses import dataclass

import numpy as np
from optimal_power_flow import OptimalPowerFlow, Optimum
from stressed_books import StressedBook

from grid.limits import OperatingPoint
from grid.power_flow import PowerFlowDiverged
from matching.book import FLEXIBLE
from matching.clearing import Clearing

RELATIVE = 2e-5
HIGHEST_MICRO_PER_KWH = 320_000
ON_THE_WAY = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The market's result and IPOPT's optima of the same book."""

    case: StressedBook
    clearing: Clearing
    afar: Optimum
    near: Optimum

    @property
    def solved(self) -> bool:
        """Whether IPOPT found an optimum."""
        return self.afar.solved or self.near.solved

    @property
    def best(self) -> Optimum:
        """The better one of IPOPT's optima."""
        return max((found for found in (self.afar, self.near) if found.solved), key=lambda found: found.welfare_nano)

    @property
    def best_nano(self) -> float:
        return self.best.welfare_nano

    @property
    def best_keeps_limits(self) -> bool:
        """Whether the power flow of what IPOPT would have everybody inject has a state, and that passes no limit."""
        return self._keeps_limits(self.best.accepted_wh, self.best.curtailed_wh)

    @property
    def way_passes_a_limit(self) -> bool:
        """Whether between the market's result and the better one of IPOPT's lie states that pass a limit."""
        accepted, curtailed = self.clearing.accepted_wh, self.clearing.curtailed_wh
        more, less = self.best.accepted_wh - accepted, self.best.curtailed_wh - curtailed
        return not all(self._keeps_limits(accepted + share * more, curtailed + share * less) for share in ON_THE_WAY)

    @property
    def is_another_optimum(self) -> bool:
        """Whether the better one of IPOPT's is a state within the limits, and the market's result the best around it.

        It is that where IPOPT finds nothing better from it; and where it starts from there and ends elsewhere, if the
        limits as they are at the result leave room for nothing better, and the way to the other state leads over one.
        """
        allowed = RELATIVE + self.whole_wh_relative
        is_best_nearby = self.near.solved and self.gap_nearby <= allowed
        is_apart = self.clearing.certificate.gap_relative <= allowed and self.way_passes_a_limit
        return self.best_keeps_limits and (is_best_nearby or is_apart)

    @property
    def gap(self) -> float:
        """What the market's result lacks to the better one of IPOPT's, relative to the welfare."""
        return self._relative(self.best_nano)

    @property
    def gap_nearby(self) -> float:
        """The same to the optimum that IPOPT finds from the market's result."""
        return self._relative(self.near.welfare_nano)

    @property
    def whole_wh_relative(self) -> float:
        """What whole Wh can cost: one Wh at the highest price for each limit that binds, and one more."""
        return HIGHEST_MICRO_PER_KWH * (len(self.clearing.binding) + 1) / abs(self.best_nano)

    @property
    def gap_before_rounding(self) -> float:
        """What the certificate's bound, which knows no whole Wh, lacks to the optimum nearby."""
        return self._relative(self.near.welfare_nano, self.clearing.certificate.dual_welfare_nano)

    @property
    def gap_less_losses(self) -> float:
        """The gap if what the better optimum loses more in the network had to be paid at the feed-in price."""
        mine = self._state(self.clearing.accepted_wh, self.clearing.curtailed_wh)
        more_w = self._state(self.best.accepted_wh, self.best.curtailed_wh).loss_w - mine.loss_w
        more_wh = more_w * self.case.interval_minutes / 60.0
        return self._relative(self.best_nano - self.case.rules.curtailment_price_micro_per_kwh * more_wh)

    def _relative(self, optimum_nano: float, welfare_nano: float | None = None) -> float:
        mine = self.clearing.welfare_nano if welfare_nano is None else welfare_nano
        return (optimum_nano - mine) / abs(self.best_nano)

    def _keeps_limits(self, accepted_wh: np.ndarray, curtailed_wh: np.ndarray) -> bool:
        try:
            return not self._state(accepted_wh, curtailed_wh).violations
        except PowerFlowDiverged:
            return False

    def _state(self, accepted_wh: np.ndarray, curtailed_wh: np.ndarray) -> OperatingPoint:
        case, book = self.case, self.case.book
        flows = np.where(book.firmness_codes == FLEXIBLE, accepted_wh, book.quantity_wh - curtailed_wh)
        hours = case.interval_minutes / 60.0
        place = np.searchsorted(case.network.buses, book.bus)
        watts = np.bincount(place, np.where(book.is_sell, 1, -1) * flows / hours, len(case.network.buses))
        return case.network.solve(case.baseline_w + watts, case.baseline_var)


def compared(case: StressedBook) -> Comparison:
    """Clear a book, and ask IPOPT."""
    clearing = case.cleared()
    exact = OptimalPowerFlow(
        case.book,
        case.network,
        case.rules,
        interval_minutes=case.interval_minutes,
        baseline_w=case.baseline_w,
        baseline_var=case.baseline_var,
    )
    supplied = (clearing.supplier_import_wh, clearing.supplier_export_wh)
    return Comparison(
        case=case,
        clearing=clearing,
        afar=exact.solve(),
        near=exact.solve_near(clearing.accepted_wh, clearing.curtailed_wh, supplied),
    )
