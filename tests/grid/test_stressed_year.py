"""The worst quarter-hours of a stressed SimBench year: what the market publishes keeps the limits, say other programs.

`make bench` clears the whole year of six networks in the same way (tests/benchmarks/bench_year.py).
"""

from pathlib import Path

import numpy as np
import pytest

from matching.book import CURTAILABLE, FIRM, FLEXIBLE

pytestmark = [pytest.mark.needs("module:power_grid_model"), pytest.mark.needs("module:opendssdirect")]

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
STEPS_A_KIND = 30
OPENDSS_STEPS = 6


def worst_steps(year, judge, price: int, *, importing: bool) -> np.ndarray:
    """Where limits are passed furthest when this price clears: the supplier's as it sells, or as it buys."""
    wanted = np.where(year.is_sell, year.limit < price, year.limit > price)
    demand, supply = (year.quantity_wh[:, wanted & (year.is_sell == side)].sum(axis=1) for side in (False, True))
    clears = (demand > supply) == importing
    flowing = year.flowing_w(wanted | (year.firmness != FLEXIBLE))
    furthest = np.where(clears, judge.verdict(flowing, year.injection_var).furthest, -np.inf)
    return np.argsort(furthest)[-STEPS_A_KIND:]


@pytest.mark.parametrize("code", ["1-LV-rural1--2-sw", "1-LV-semiurb4--2-sw"])
def test_the_worst_quarter_hours_of_a_year_are_published_within_the_limits(code, monkeypatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from bench_year import RULES, STRESSES, Market
    from year_judges import PgmJudge, seen_by_opendss

    stress = next(stress for stress in STRESSES if stress.code == code)
    market = Market(stress)
    year, judge = market.year, PgmJudge(stress, market.year.grid)
    assert not judge.verdict(year.flowing_w(year.firmness == FIRM), year.injection_var).passed.any()

    evening = worst_steps(year, judge, RULES.supplier_price_micro_per_kwh, importing=True)
    midday = worst_steps(year, judge, RULES.feed_in_price_micro_per_kwh, importing=False)
    steps = np.union1d(evening, midday)
    assert steps.size == 2 * STEPS_A_KIND
    assert {FIRM, CURTAILABLE, FLEXIBLE} == {code for step in steps for code in year.book(step).firmness_codes.tolist()}

    part, vars_ = market.part(steps), year.injection_var[steps]
    assert judge.verdict(part.plain_w, vars_).passed.sum() > 0.8 * steps.size
    assert not (part.colour == "red").any()
    assert not judge.verdict(part.published_w, vars_).passed.any()
    assert (part.welfare_nano <= part.plain_nano).all()
    assert part.curtailed_wh.any()
    some = np.linspace(0, steps.size - 1, OPENDSS_STEPS).astype(int)
    assert not seen_by_opendss(stress, year.grid, part.published_w[some], vars_[some]).passed.any()
    assert seen_by_opendss(stress, year.grid, part.plain_w[some], vars_[some]).passed.sum() > 0.5 * OPENDSS_STEPS
