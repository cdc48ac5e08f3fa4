"""Losses that the market buys: what is published agrees with what is lost, or nothing is published."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from market_cases import DirectCurrentTree, OneCable, order
from test_limits_by_hand import cleared

from grid.limits import FloatArray, OperatingPoint
from matching.auction import LossesNotSettled
from matching.clearing import MarketRules
from matching.island.rules import Island
from matching.result import Status

RULES = MarketRules(tie_seed="a test", losses="market")
PLANT, OVEN = order("plant", "sell", 12_250, 100_000, bus=0), order("oven", "buy", 90_000, 300_000, bus=1)


def test_losses_that_swing_near_a_collapse_are_met() -> None:
    """All that is sold goes into the cable: 4.9 = (1 - v) / 0.05, so v = 0.755, where a Wh more loses 0.96 Wh more."""
    result = cleared(PLANT, OVEN, limits=OneCable(resistance_pu=0.05, v_min_pu=0.55), rules=RULES)
    assert result.accepted_wh[0] == 12_250 == result.accepted_wh[1] + result.loss_wh
    assert result.point.vm_pu[1] == pytest.approx(0.755, abs=1e-3)
    lost_wh = (1 - 0.755) ** 2 / 0.05 * 10_000 / 4
    assert result.loss_wh == pytest.approx(lost_wh, abs=3)
    assert abs(result.loss_wh - result.point.loss_w / 4) <= 1.5


@dataclass(frozen=True, kw_only=True)
class Steep(DirectCurrentTree):
    """A network that no cable is like: beyond 6.8 kW every W loses five more."""

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        point = super().solve(injection_w, injection_var)
        return replace(point, loss_w=5.0 * max(0.0, -float(injection_w[1]) - 6_800.0))


def test_losses_that_no_purchase_meets_are_refused() -> None:
    """2 000 Wh are sold; the more is bought for losses the less is left to lose, and a Wh less loses five less."""
    steep = Steep(parents=(0,), limits_w=(1e6,))
    assert steep.solve(np.array([0.0, -8_000.0]), np.zeros(2)).loss_w == 6_000.0
    placed = (replace(PLANT, quantity_wh=2_000), OVEN)
    with pytest.raises(LossesNotSettled, match="narrow them, or leave losses to the grid operator"):
        cleared(*placed, limits=steep, rules=RULES)
    dark = replace(RULES, island=Island(lost_load_micro_per_kwh=5_000_000))
    result = cleared(*placed, limits=steep, rules=dark)
    assert (result.status, result.accepted_wh.any()) == (Status.RED, np.False_)
