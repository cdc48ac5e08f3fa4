"""The benchmark runner keeps what was measured and names what failed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from house_sources import ROOT


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_runner", ROOT / "tests/benchmarks/run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_runner", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "commit", lambda: "abc")
    return module


def _counting(tmp_path: Path, name: str) -> list[str]:
    """A benchmark that leaves a mark each time it runs."""
    marks = tmp_path / f"{name}.marks"
    code = f"open({str(marks)!r}, 'a').write('x'); print('warming up'); print('{{\"rounds_per_s\": 12}}')"
    return [sys.executable, "-c", code]


def test_a_run_that_was_stopped_goes_on_where_it_was(runner, tmp_path, capsys, monkeypatch) -> None:
    failing = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(runner, "commands", lambda: {"first": _counting(tmp_path, "first"), "second": failing})
    assert runner.main([]) == 1
    assert "FAILED" in capsys.readouterr().out
    monkeypatch.setattr(runner, "commands", lambda: {n: _counting(tmp_path, n) for n in ("first", "second")})
    assert runner.main([]) == 0
    printed = capsys.readouterr().out
    assert "first: measured already" in printed
    assert printed.count("rounds_per_s") == 3  # the second one's own line, and the table of both
    assert (tmp_path / "first.marks").read_text() == "x"
    assert (tmp_path / "second.marks").read_text() == "x"


def test_fresh_measures_again_what_a_long_benchmark_kept_for_itself_too(runner, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(runner, "commands", lambda: {"only": _counting(tmp_path, "only")})
    assert runner.main([]) == 0
    part = tmp_path / "build/bench/abc/only/part.json"
    part.parent.mkdir()
    part.write_text("{}")
    assert runner.main([]) == 0
    assert part.exists()
    assert runner.main(["--fresh"]) == 0
    assert (tmp_path / "only.marks").read_text() == "xx"
    assert not part.exists()


def test_a_result_that_was_half_written_is_measured_again(runner, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(runner, "commands", lambda: {"only": _counting(tmp_path, "only")})
    folder = tmp_path / "build/bench/abc"
    folder.mkdir(parents=True)
    (folder / "only.json").write_text('{"seconds": 1,')
    assert runner.main([]) == 0
    assert (tmp_path / "only.marks").read_text() == "x"


def test_an_unknown_benchmark_is_refused_and_the_known_ones_named(runner, capsys, monkeypatch) -> None:
    monkeypatch.setattr(runner, "commands", lambda: {"round": []})
    assert runner.main(["rouond"]) == 2
    assert "no benchmark rouond: there are round" in capsys.readouterr().err
