"""The operator rebuilds the chain with one batch altered: last month's statement in a member's hands shows it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.market_choice import MarketChoice, adopt_choice
from app.storage.database import writing
from tests.app.delivered_day import DAY_START_S
from tests.app.signed_day import DAY_SLOTS, KEY, SF_S, SignedDay, pass_next_day
from tests.app.signed_meters import bill_lines, statement_file, verified, verified_by_stranger

DEARER = replace(KEY, community_price_micro_per_kwh=150_100)


def lived(folder: Path, in_june: MarketChoice) -> SignedDay:
    """A day in June and one in July, a batch each; the price of June is to choose, june.json is from before July."""
    folder.mkdir()
    days = SignedDay(folder, in_june)
    days.pass_slots(DAY_SLOTS)
    days.settle_at(DAY_START_S + 2 * 86_400)
    statement_file(folder, "bela", "2025-06", name="june.json")
    with writing(days.engine) as connection:
        adopt_choice(connection, KEY, next_s=SF_S)
    pass_next_day(days)
    statement_file(folder, "bela", "2025-07", name="july.json")
    return days


@pytest.fixture
def honest(tmp_path: Path) -> Iterator[SignedDay]:
    days = lived(tmp_path / "honest", KEY)
    yield days
    days.access.close()


@pytest.fixture
def rebuilt(tmp_path: Path) -> Iterator[SignedDay]:
    days = lived(tmp_path / "rebuilt", DEARER)
    yield days
    days.access.close()


def test_a_chain_that_was_not_rebuilt_still_has_the_block_of_last_month(honest: SignedDay, tmp_path: Path) -> None:
    state = tmp_path / "honest"
    june, july = state / "june.json", state / "july.json"
    told = verified(july, state, "--checkpoint", june)
    assert told.exit_code == 0, told.output
    assert "could have been rebuilt" not in told.stdout
    assert verified_by_stranger(july, honest.access.embedded, "--checkpoint", june).returncode == 0


def test_a_chain_rebuilt_with_one_altered_batch_fails_against_last_months_statement(
    honest: SignedDay, rebuilt: SignedDay, tmp_path: Path
) -> None:
    delivered, state = tmp_path / "honest" / "june.json", tmp_path / "rebuilt"
    assert bill_lines(state / "june.json") != bill_lines(delivered), "one batch says something else"
    for name in ("june.json", "july.json"):
        told = verified(state / name, state)
        assert told.exit_code == 0, told.output
        assert "could have been rebuilt" in told.stdout, "by itself the new chain is consistent"
        stranger = verified_by_stranger(state / name, rebuilt.access.embedded)
        assert stranger.returncode == 0, stranger.stderr
        told = verified(state / name, state, "--checkpoint", delivered)
        assert told.exit_code == 1
        assert "the checkpoint delivered before: the chain's block" in told.stderr
        assert "it was rebuilt" in told.stderr
        stranger = verified_by_stranger(state / name, rebuilt.access.embedded, "--checkpoint", delivered)
        assert stranger.returncode == 1
        assert "does not hold: the checkpoint delivered before" in stranger.stderr


def test_what_was_delivered_before_fails_against_the_rebuilt_chain(
    honest: SignedDay, rebuilt: SignedDay, tmp_path: Path
) -> None:
    delivered = tmp_path / "honest" / "june.json"
    told = verified(delivered, tmp_path / "rebuilt")
    assert told.exit_code == 1
    assert "does not hold: chain.checkpoint" in told.stderr
    assert verified_by_stranger(delivered, rebuilt.access.embedded).returncode == 1
