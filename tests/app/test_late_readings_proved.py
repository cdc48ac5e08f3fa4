"""Signed readings that come after their day was settled: the final run corrects it, and strangers agree."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.market_choice import MarketChoice
from app.statements import statement_of
from app.storage.database import reading
from app.storage.store.settlement import batches
from app.storage.store.settlement_runs import runs_between
from tests.app.delivered_day import DAY_START_S, SLOT_S
from tests.app.signed_day import (
    AUCTION,
    DAY_SLOTS,
    JUNE,
    KEY,
    LATE_WH,
    SILENT_FROM,
    SignedDay,
    correct,
    pass_next_day,
    silent_afternoon,
)
from tests.app.signed_meters import altered, statement_file, verified, verified_by_stranger


@pytest.fixture(params=[KEY, AUCTION], ids=["shared after delivery", "auction before delivery"])
def choice(request: pytest.FixtureRequest) -> MarketChoice:
    return request.param


@pytest.fixture
def late(choice: MarketChoice, tmp_path: Path) -> Iterator[SignedDay]:
    """bela is silent from noon on, and the day is settled without her afternoon."""
    day = SignedDay(tmp_path, choice)
    silent_afternoon(day)
    yield day
    day.access.close()


def test_what_came_late_is_on_the_bill_as_a_difference_and_both_verifiers_accept_it(
    late: SignedDay, tmp_path: Path
) -> None:
    before = statement_file(tmp_path, "bela", "2025-06", name="before.json")
    assert verified(before, tmp_path).exit_code == 0
    correct(late)
    with reading(late.engine) as connection:
        assert [each.name for each in runs_between(connection, start_s=0, end_s=1 << 40)] == ["D1", "SF", "D1"]
        first, second = batches(connection)
        page = statement_of(connection, "bela", JUNE, now_s=late.clock.now_s)
    assert first.corrects_from_s is None
    assert (second.block_number is None, second.corrects_from_s) == (False, DAY_START_S + SILENT_FROM * SLOT_S)
    for member in ("anna", "bela"):
        file = statement_file(tmp_path, member, "2025-06")
        ours = verified(file, tmp_path, "--checkpoint", before)
        assert ours.exit_code == 0, ours.output
        stranger = verified_by_stranger(file, late.access.embedded, "--checkpoint", before)
        assert (stranger.returncode, stranger.stderr) == (0, "")
    old, new = (json.loads(each.read_text()) for each in (before, file))
    assert new["totals"]["import_wh"] - old["totals"]["import_wh"] == LATE_WH
    assert new["bill"]["total_cents"] > old["bill"]["total_cents"]
    assert new["bill"]["total_nano"] == page.community.total_nano


def test_the_bill_is_the_one_of_a_day_on_which_nothing_was_late(
    late: SignedDay, choice: MarketChoice, tmp_path: Path
) -> None:
    correct(late)
    elsewhere = tmp_path / "punctual"
    elsewhere.mkdir()
    punctual = SignedDay(elsewhere, choice)
    punctual.pass_slots(DAY_SLOTS)
    punctual.settle_at(DAY_START_S + 2 * 86_400)
    pass_next_day(punctual)
    punctual.access.close()
    for member in ("anna", "bela"):
        documents = [json.loads(statement_file(each, member, "2025-06").read_text()) for each in (tmp_path, elsewhere)]
        for part in ("totals", "bill"):
            assert documents[0][part] == documents[1][part], member


ALTERED = {
    "bill.total_cents": ("bill", "total_cents"),
    "batches[1].intervals[0]": ("batches", 1, "intervals", 0, "transfers", 0, "paid_nano"),
    "batches[1].net_nano": ("batches", 1, "net_nano"),
    "readings[8].signature": ("readings", 8, "readings", 0, "import_mwh"),
}


def test_one_altered_figure_of_the_correction_is_refused_by_both(late: SignedDay, tmp_path: Path) -> None:
    correct(late)
    file = statement_file(tmp_path, "bela", "2025-06")
    for line, path in ALTERED.items():
        wrong = altered(file, path)
        ours = verified(wrong, tmp_path)
        assert (ours.exit_code, f"does not hold: {line}" in ours.stderr) == (1, True), ours.stderr
        stranger = verified_by_stranger(wrong, late.access.embedded)
        assert (stranger.returncode, f"does not hold: {line}" in stranger.stderr) == (1, True), stranger.stderr
