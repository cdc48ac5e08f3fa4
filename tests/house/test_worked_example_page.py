"""The worked example of docs/grid.md shows what the program makes of its files today."""

import importlib
from pathlib import Path

import pytest
from house_sources import ROOT


def test_figures_and_picture_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    example = importlib.import_module("render_worked_example")
    page, drawn = example.PAGE.read_text(), tmp_path / "drawn.svg"
    figures = example.worked_example(drawn)
    assert example.rendered(page, figures) == page, "render again: tests/benchmarks/render_worked_example.py"
    assert "mill lane" in figures
    assert drawn.read_text() == example.PICTURE.read_text()
