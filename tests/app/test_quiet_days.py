"""A community stops, its month is corrected all the same: what waits reaches the ledger without a next day."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.month_runs import run_month
from app.quiet_days import QUIET_S
from app.settlement_calendar import RunKind
from app.storage.database import reading
from app.storage.store.settlement import balances, batches
from tests.app.delivered_day import DAY_START_S, SLOT_S
from tests.app.signed_day import JUNE, KEY, LATE_WH, SF_S, SignedDay, silent_afternoon
from tests.app.signed_meters import statement_file, verified, verified_by_stranger

DAY_S = 86_400


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[SignedDay]:
    """The day of the late afternoon is the last one; the final run corrects it when nobody trades any more."""
    day = SignedDay(tmp_path, KEY)
    silent_afternoon(day)
    day.meters["bela"].send(day.engine, day.clock)
    day.settle_at(SF_S)
    yield day
    day.access.close()


def sequences(day: SignedDay) -> list[int]:
    with reading(day.engine) as connection:
        return [each.sequence for each in batches(connection)]


def test_after_a_week_corrections_go_to_the_ledger_and_the_month_is_proved(stopped: SignedDay, tmp_path: Path) -> None:
    stopped.settle_at(SF_S + QUIET_S - 1)
    assert sequences(stopped) == [1], "a next day may still come"
    open_month = json.loads(statement_file(tmp_path, "bela", "2025-06").read_text())
    stopped.settle_at(SF_S + QUIET_S)
    assert sequences(stopped) == [1, 2]
    with reading(stopped.engine) as connection:
        record = batches(connection)[-1]
        held = balances(connection)
    assert record.first_start_s == DAY_START_S + DAY_S
    assert record.end_s == SF_S + QUIET_S
    assert record.block_number is not None
    assert stopped.access.ledger.balances()[:2] == (held["member:anna"], held["member:bela"])
    for member in ("anna", "bela"):
        file = statement_file(tmp_path, member, "2025-06")
        ours = verified(file, tmp_path)
        assert ours.exit_code == 0, ours.output
        stranger = verified_by_stranger(file, stopped.access.embedded)
        assert (stranger.returncode, stranger.stderr) == (0, "")
    final = json.loads(file.read_text())
    assert (open_month["provisional"], final["provisional"]) == (True, False)
    assert final["totals"]["import_wh"] - open_month["totals"]["import_wh"] == LATE_WH


def test_nothing_more_goes_while_nothing_waits_and_a_later_run_waits_its_week_again(stopped: SignedDay) -> None:
    stopped.settle_at(SF_S + QUIET_S)
    for days in (1, 8, 20):
        stopped.settle_at(SF_S + QUIET_S + days * DAY_S)
    assert sequences(stopped) == [1, 2]
    run_month(stopped.scheduler.settlement, JUNE, RunKind.SF, actor="olga")
    stopped.settle_at(SF_S + QUIET_S + 28 * DAY_S)
    assert sequences(stopped) == [1, 2], "the run again posted nothing"


def test_a_community_that_goes_on_takes_corrections_along_with_its_day(stopped: SignedDay) -> None:
    slot = (SF_S - DAY_START_S) // SLOT_S + 52
    stopped.pass_slots(range(slot, slot + 1), without=frozenset({"bela"}))  # not shared before she tells, or the grace
    stopped.clock.now_s = SF_S + QUIET_S
    stopped.scheduler.share()
    stopped.scheduler.settle()
    assert sequences(stopped) == [1, 2]
    with reading(stopped.engine) as connection:
        record = batches(connection)[-1]
    assert (record.first_start_s, record.end_s) == (SF_S, SF_S + DAY_S)
