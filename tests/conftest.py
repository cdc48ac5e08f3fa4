"""What holds for every test: seeded property tests, programs that may be missing, and the long counts.

`make test` runs a reduced, seeded number of examples of each property; `make bench` runs the full number
and the tests marked `long`. A test marked `needs("program")` whose program is missing is listed as NOT RUN,
and with CI=true that is a failure: a machine that judges changes must have everything.
"""

import ctypes.util
import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
FULL = os.environ.get("COMMONWATT_COUNTS") == "full"
CI = os.environ.get("CI", "").lower() in {"true", "1"}
REDUCED_EXAMPLES, FULL_EXAMPLES = 25, 1000

_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("reduced", max_examples=REDUCED_EXAMPLES, derandomize=True, database=None, **_SHARED)
settings.register_profile("full", max_examples=FULL_EXAMPLES, print_blob=True, **_SHARED)
settings.load_profile("full" if FULL else "reduced")

NOT_RUN = "NOT RUN: "


def counts() -> str:
    """How much of each property was tried."""
    if FULL:
        return f"Full counts: {FULL_EXAMPLES} examples of each property, tests marked long included."
    return f"Reduced counts: {REDUCED_EXAMPLES} seeded examples of each property or fewer, no test marked long."


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests marked `long` to `make bench`."""
    long = [item for item in items if item.get_closest_marker("long")]
    if long and not FULL:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def is_available(need: str) -> bool:
    """Whether there is a program, a shared library (`libNAME`), a Python `module:NAME`, a path (`a/b`), or `root`."""
    if need.startswith("module:"):
        return importlib.util.find_spec(need.removeprefix("module:")) is not None
    if need == "root":
        return os.geteuid() == 0
    if "/" in need:
        return (ROOT / need).exists()
    if need.startswith("lib"):
        return ctypes.util.find_library(need.removeprefix("lib")) is not None
    return shutil.which(need) is not None


def missing_needs(item: pytest.Item) -> list[str]:
    """What a test says it needs and this machine lacks."""
    needs = [str(need) for marker in item.iter_markers("needs") for need in marker.args]
    return [need for need in needs if not is_available(need)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test without its program is not run, which is a failure where changes are judged."""
    missing = missing_needs(item)
    if missing and CI:
        pytest.fail(f"{NOT_RUN}{', '.join(missing)} is missing and CI=true; `make setup` as root installs it")
    if missing:
        pytest.skip(f"{NOT_RUN}{', '.join(missing)} is missing")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that were not run and what they lack, and say how much was tried."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [(report.nodeid, str(report.longrepr[-1])) for report in reports if not isinstance(report.longrepr, str)]
    lines = sorted(f"{nodeid}: {reason[reason.index(NOT_RUN) :]}" for nodeid, reason in reasons if NOT_RUN in reason)
    if lines:
        terminalreporter.section("NOT RUN")
        terminalreporter.write_line("\n".join(lines))
    terminalreporter.write_line(counts())


@pytest.fixture
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HOME of its own, for tests that start programs which write there."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home
