"""Charts as geometry: what is drawn adds up to what was measured."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.charts.axis import decimals_of, round_steps
from app.web.charts.energy_bars import EnergyBar, energy_bars
from app.web.charts.merit_order import merged_steps, merit_order
from app.web.charts.network_map import loading_class, network_map, voltage_class
from app.web.charts.price_line import price_line

DRAWING = {
    "buses": [
        {"id": 0, "name": "grid above", "x": 0.0, "y": 0.0, "vn_kv": 20.0},
        {"id": 1, "name": "station", "x": 0.0, "y": 100.0, "vn_kv": 0.4},
        {"id": 2, "name": "house", "x": 1000.0, "y": 500.0, "vn_kv": 0.4},
    ],
    "lines": [{"id": 4, "name": "cable", "from": 1, "to": 2}],
    "trafos": [{"id": 0, "name": "transformer", "hv": 0, "lv": 1}],
}
STATE = {"vm_pu": {"1": 1.0, "2": 1.095}, "line_loading_percent": {"4": 99.0}, "trafo_loading_percent": {"0": 101.0}}


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_an_axis_covers_its_values_in_a_few_round_steps(low: float, span: float) -> None:
    steps = round_steps(low, low + span)
    noise = 2e-9 * (steps[1] - steps[0])
    assert steps[0] <= low + noise + 1e-6 * max(1, abs(low))
    assert steps[-1] >= low + span - noise - 1e-6 * max(1, abs(low + span))
    assert 2 <= len(steps) <= 7
    assert len({f"{step:.{decimals_of(steps)}f}" for step in steps}) == len(steps) or span < 1e-3


def test_a_bar_is_as_high_as_its_energy_and_stacked_from_the_line() -> None:
    bar = EnergyBar(start_s=900, from_neighbours_wh=500, from_supplier_wh=250, to_neighbours_wh=0, to_grid_wh=125)
    chart = energy_bars([bar], start_s=0, end_s=9_000, interval_s=900)
    kwh_per_pixel = (chart.y_ticks[-1].value - chart.y_ticks[0].value) / chart.height
    drawn = {
        series: re.fullmatch(r"M([\d.]+) ([\d.]+)h[\d.]+v(-?[\d.]+)h-[\d.]+z", path) for series, path in chart.paths
    }
    heights = {series: float(found[3]) * kwh_per_pixel for series, found in drawn.items()}
    assert heights == pytest.approx({"fill-neighbour": -0.5, "fill-supplier": -0.25, "fill-sun": 0.125}, abs=0.01)
    assert float(drawn["fill-neighbour"][2]) == pytest.approx(chart.zero_y, abs=0.1)
    assert {float(found[1]) for found in drawn.values()} == {110.0}


def test_a_day_without_energy_still_has_an_axis() -> None:
    chart = energy_bars([], start_s=0, end_s=86_400, interval_s=900)
    assert chart.paths == ()
    assert len(chart.y_ticks) >= 2


def test_a_missing_price_leaves_a_gap_in_the_line() -> None:
    points = [(0, 100_000), (900, 120_000), (2_700, 90_000)]
    line = price_line(
        points, start_s=0, end_s=3_600, interval_s=900, references=[("pays", 70_000)], micro_per_unit=10_000
    )
    assert line.path.count("M") == 2
    assert line.path.count("L") == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50))))
def test_merged_steps_keep_the_energy_and_tell_no_order_from_another(orders: list[tuple[int, int]]) -> None:
    merged = merged_steps(orders, descending=True)
    assert sum(wh for _, wh in merged) == sum(wh for _, wh in orders)
    limits = [limit for limit, _ in merged]
    assert limits == sorted(set(limits), reverse=True)


def test_curves_meet_where_the_price_is() -> None:
    chart = merit_order(
        demand=[(300_000, 1_000), (200_000, 1_000)],
        supply=[(100_000, 1_500)],
        price_micro=200_000,
        limit_micro=None,
        traded_wh=1_500,
        micro_per_unit=10_000,
    )
    assert chart.traded_at == pytest.approx(75.0)
    assert f"{chart.price_y:.1f}" in chart.demand
    assert chart.limit_y is None


def test_the_map_colours_lines_by_loading_and_rings_what_limits() -> None:
    chart = network_map(DRAWING, STATE, limiting=frozenset({("trafo", 0)}))
    assert chart is not None
    assert (chart.lines[0].css_class, chart.lines[0].limiting) == ("load-3", False)
    assert (chart.trafos[0].css_class, chart.trafos[0].limiting) == ("load-4", True)
    assert [bus.css_class for bus in chart.buses] == ["volt-mid", "volt-high-1"]


def test_a_network_without_state_or_without_places_is_not_coloured_or_not_drawn() -> None:
    chart = network_map(DRAWING, {})
    assert chart is not None
    assert chart.lines[0].css_class == "unknown"
    assert network_map({"buses": DRAWING["buses"][1:2], "lines": [], "trafos": []}, {}) is None


@pytest.mark.parametrize(
    ("percent", "name"), [(0.0, "load-0"), (40.0, "load-0"), (40.1, "load-1"), (100.0, "load-3"), (100.01, "load-4")]
)
def test_a_line_is_over_its_limit_only_above_a_hundred_percent(percent: float, name: str) -> None:
    assert loading_class(percent) == name


def test_voltages_are_marked_on_both_sides() -> None:
    assert [voltage_class(value) for value in (0.9, 0.93, 1.0, 1.06, 1.1)] == [
        "volt-low-1",
        "volt-low-0",
        "volt-mid",
        "volt-high-0",
        "volt-high-1",
    ]
