"""The comparison with other programs shows the figures that were measured, and judges every program alike."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from house_sources import ROOT

BENCHMARKS = str(ROOT / "tests" / "benchmarks")


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("render_comparison", "comparison_plot", "comparison_judge"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture
def render(benchmarks: None) -> ModuleType:
    return importlib.import_module("render_comparison")


@pytest.fixture
def judge(benchmarks: None) -> ModuleType:
    return importlib.import_module("comparison_judge")


def test_page_and_plot_are_those_of_the_kept_figures(render: ModuleType) -> None:
    figures = json.loads(render.KEPT.read_text(encoding="utf-8"))
    page = render.PAGE.read_text(encoding="utf-8")
    assert render.page_with(figures, page) == page, "render again: tests/benchmarks/render_comparison.py"
    assert render.plot(figures) == render.PLOT.read_text(encoding="utf-8")


def test_a_figure_changed_by_hand_is_noticed(render: ModuleType) -> None:
    figures = json.loads(render.KEPT.read_text(encoding="utf-8"))
    page = render.PAGE.read_text(encoding="utf-8")
    figures["sizes"]["100"]["Commonwatt"]["clear_s"] *= 2
    assert render.page_with(figures, page) != page


def test_the_plot_names_every_program_and_says_in_words_what_it_shows(render: ModuleType) -> None:
    drawing = ET.fromstring(render.PLOT.read_text(encoding="utf-8"))  # noqa: S314 (our own file)
    words = "".join(drawing.itertext())
    figures = json.loads(render.KEPT.read_text(encoding="utf-8"))
    for name in figures["sizes"]["100"]:
        assert words.count(name) >= 2  # its label, and the description


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.000_035_5, "36 µs"), (0.002_59, "2.6 ms"), (0.196, "196 ms"), (4.66, "4.7 s"), (58.08, "58 s")],
)
def test_times_are_said_with_the_digits_that_mean_something(render: ModuleType, seconds: float, text: str) -> None:
    assert render.said(seconds) == text


def test_the_judge_sees_lost_welfare_lost_energy_and_too_much_accepted(judge: ModuleType) -> None:
    # Two buyers of 10 Wh at 300 and 200, sellers of 10 Wh at 100 and 250: the best is 10 Wh x 200.
    book = {
        "is_sell": np.array([False, False, True, True]),
        "quantity_wh": np.array([10, 10, 10, 10]),
        "limit_micro_per_kwh": np.array([300, 200, 100, 250]),
    }
    best = judge.best_welfare_nano(**book)
    assert best == 2_000
    right = judge.judged(np.array([10, 0, 10, 0]), **book, best_nano=best)
    assert (right.welfare_share, right.traded_wh, right.imbalance_wh, right.orders_beyond) == (1.0, 10, 0, 0)
    worse = judge.judged(np.array([0, 10.0, 9.5, 0]), **book, best_nano=best)
    assert (worse.welfare_share, worse.imbalance_wh) == ((2_000 - 950) / 2_000, -0.5)
    assert judge.judged(np.array([11, 0, 11, 0]), **book, best_nano=best).orders_beyond == 2


def test_peers_are_pinned_to_one_version_each_and_say_not_from_where() -> None:
    for path in Path(BENCHMARKS).glob("peers/*.txt"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert lines
        assert not [line for line in lines if line.count("==") != 1 or "/" in line or line.startswith("-")], path.name
