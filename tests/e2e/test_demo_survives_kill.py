"""A demonstration that is killed again and again ends with the same figures, hashes and counters as one that is not."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from demonstrations import (
    HOUSEHOLDS,
    PATIENCE_S,
    Demonstration,
    Evidence,
    first_start_s,
    moments,
    rows,
    small_day,
    state_with,
    world_of,
)

from app.demo.neighbourhood import SLOT_S
from app.demo.state import DemoState

pytestmark = pytest.mark.timeout(600)

SLOTS, KILLS, KILLS_IN_FULL, SEED = 8, 4, 10, 20_160_526
METERS_DIE_AT_S = first_start_s() + 5 * SLOT_S
OPTIONS = small_day("--intervals", str(SLOTS), "--no-serve", "--json")
MEASURED = frozenset({"seconds", "memory_mb", "spent"})
"""Figures about this machine and not about the day."""


@dataclass(kw_only=True)
class Story:
    """One day from its first start to its end: what was there at each kill, and at last."""

    state: DemoState
    figures: dict[str, object]
    final: Evidence
    left_over: list[str]
    at_kills: list[Evidence] = field(default_factory=list)


@contextmanager
def running(folder: Path) -> Iterator[Demonstration]:
    """A demonstration that goes on in this folder; nothing of it is left if the test fails."""
    demonstration = Demonstration(folder, *OPTIONS)
    try:
        yield demonstration
    except BaseException:
        demonstration.end()
        raise


def ended(last: Demonstration) -> Story:
    """Let a demonstration come to its end."""
    assert last.process.wait(PATIENCE_S) == 0, last.said()
    told = json.loads(last.out.read_text())
    return Story(
        state=last.state,
        figures={name: value for name, value in told.items() if name not in MEASURED},
        final=Evidence.of(last.state),
        left_over=[" ".join(process.cmdline()) for process in last.family()],
    )


def killed_day(folder: Path, kills: int) -> Story:
    """Kill the demonstration at random moments, start it again each time, and let it end at last."""
    at_kills = []
    for clock_at_s, later_s in moments(SEED, kills, first_s=first_start_s(), slots=SLOTS):
        with running(folder) as demonstration:
            demonstration.wait_for_clock(clock_at_s)
            time.sleep(later_s)
            assert demonstration.process.poll() is None, f"ended before it was killed: {demonstration.said()}"
            demonstration.kill()
        at_kills.append(Evidence.of(demonstration.state))
    with running(folder) as demonstration:
        story = ended(demonstration)
    story.at_kills = at_kills
    return story


def assert_nothing_was_lost_or_done_twice(killed: Story, undisturbed: Story) -> None:
    for earlier, later in zip(killed.at_kills, [*killed.at_kills[1:], killed.final], strict=True):
        assert earlier.lost_or_changed_in(later) == []
    assert killed.final.lost_or_changed_in(undisturbed.final) == []
    assert undisturbed.final.lost_or_changed_in(killed.final) == []
    assert killed.figures == undisturbed.figures


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_of(tmp_path_factory, HOUSEHOLDS)


@pytest.fixture(scope="module")
def undisturbed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    with running(state_with(world, tmp_path_factory.mktemp("undisturbed") / "state")) as demonstration:
        return ended(demonstration)


@pytest.fixture(scope="module")
def killed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return killed_day(state_with(world, tmp_path_factory.mktemp("killed") / "state"), KILLS)


def test_killed_at_random_moments_it_ends_with_the_same_figures_and_hashes(killed: Story, undisturbed: Story) -> None:
    assert_nothing_was_lost_or_done_twice(killed, undisturbed)


def test_the_kills_struck_founding_market_and_settlement(killed: Story) -> None:
    cleared = [len(evidence.clearings) for evidence in killed.at_kills]
    assert cleared[0] < cleared[-1] == SLOTS
    assert cleared == sorted(cleared)
    assert len(killed.final.transfers) > 0


def test_no_interval_is_cleared_twice_and_every_trade_belongs_to_one_order(killed: Story, undisturbed: Story) -> None:
    database = killed.state.folder / "community.sqlite"
    assert rows(database, "SELECT state, count(*) FROM market_round GROUP BY state") == [("settled", SLOTS)]
    count = "SELECT (SELECT count(*) FROM trade), (SELECT count(*) FROM market_order), (SELECT count(*) FROM envelope)"
    assert rows(database, count) == rows(undisturbed.state.folder / "community.sqlite", count)


def test_counters_never_restart(killed: Story) -> None:
    database = killed.state.folder / "community.sqlite"
    fallen = (
        "SELECT count(*) FROM reading AS later JOIN reading AS earlier ON earlier.device_id = later.device_id"
        " AND earlier.epoch = later.epoch AND earlier.seq = later.seq - 1"
        " WHERE later.import_mwh < earlier.import_mwh OR later.export_mwh < earlier.export_mwh"
        " OR later.start_s + later.duration_s != earlier.start_s + earlier.duration_s + later.duration_s"
    )
    assert rows(database, fallen) == [(0,)]
    assert rows(database, "SELECT max(epoch), count(DISTINCT device_id) FROM reading") == [(0, HOUSEHOLDS)]
    lengths = rows(database, "SELECT max(seq) + 1, count(*) FROM reading GROUP BY device_id")
    assert all(last == count for last, count in lengths)


def test_nothing_runs_on_after_the_end(killed: Story, undisturbed: Story) -> None:
    assert killed.left_over == undisturbed.left_over == []


def test_meters_whose_process_is_killed_are_started_again_and_their_counters_go_on(
    world: Path, tmp_path: Path, undisturbed: Story
) -> None:
    with running(state_with(world, tmp_path / "state")) as demonstration:
        demonstration.wait_for_clock(METERS_DIE_AT_S)
        first = demonstration.meters()
        os.kill(first, signal.SIGKILL)
        story = ended(demonstration)
    assert not psutil.pid_exists(first)
    assert demonstration.meters() != first
    assert story.final == undisturbed.final
    assert story.figures == undisturbed.figures
    assert story.left_over == []


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_ten_times_it_ends_with_the_same_figures_and_hashes(
    world: Path, tmp_path: Path, undisturbed: Story
) -> None:
    killed = killed_day(state_with(world, tmp_path / "state"), KILLS_IN_FULL)
    assert len(killed.at_kills) == KILLS_IN_FULL
    assert_nothing_was_lost_or_done_twice(killed, undisturbed)
