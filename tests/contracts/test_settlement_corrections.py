"""Corrections are new transfers: differences, and the rebate of the congestion account."""

import pytest
from settlement_cases import NOON, Book, energy, point, settle

from contracts.corrections import congestion_rebate, difference_transfers
from contracts.transfers import CONGESTION, business_key, member_account, net_positions

PAIR = [point("anna"), point("ben")]
CLEARED = Book().buy("anna", 500).sell("ben", 500).cleared()
FIRST = settle(CLEARED, [energy("anna", 500), energy("ben", 0, 500)], PAIR)


def corrected(run: str, import_wh: int):
    return settle(CLEARED, [energy("anna", import_wh), energy("ben", 0, 500)], PAIR, run=run)


def test_a_correction_posts_only_the_differences() -> None:
    differences = difference_transfers(FIRST.transfers, corrected("SF", 480).transfers, "SF")
    assert net_positions([*FIRST.transfers, *differences]) == net_positions(corrected("SF", 480).transfers)
    energies = [each for each in differences if each.transfer_id == "SF/1464782400/energy/M-anna/buy@120000"]
    assert [(each.energy_wh, each.amount_nano, each.credit) for each in energies] == [
        (20, 2_400_000, member_account("anna"))
    ]


def test_nothing_is_posted_where_nothing_changed() -> None:
    assert difference_transfers(FIRST.transfers, corrected("SF", 500).transfers, "SF") == ()


def test_a_second_correction_counts_from_all_that_was_posted() -> None:
    posted = [*FIRST.transfers, *difference_transfers(FIRST.transfers, corrected("SF", 100).transfers, "SF")]
    posted += difference_transfers(posted, corrected("R1", 490).transfers, "R1")
    assert net_positions(posted) == net_positions(corrected("R1", 490).transfers)
    assert len({each.transfer_id for each in posted}) == len(posted)


def test_a_late_reading_posts_the_whole_interval_of_its_point() -> None:
    late = settle(CLEARED, [energy("ben", 0, 500)], PAIR)
    differences = difference_transfers(late.transfers, corrected("SF", 500).transfers, "SF")
    assert net_positions([*late.transfers, *differences]) == net_positions(FIRST.transfers)


def test_a_run_that_has_posted_before_is_refused() -> None:
    with pytest.raises(ValueError, match=r"run D1 has already posted .* give the correction a new name"):
        difference_transfers(FIRST.transfers, corrected("D1", 480).transfers, "D1")


def test_a_point_that_changed_hands_must_be_settled_with_the_owner_of_that_day() -> None:
    moved_in = settle(CLEARED, [energy("ben", 0, 500)], PAIR)
    other_owner = [each for each in FIRST.transfers if business_key(each).subject == "M-anna"]
    from dataclasses import replace

    renamed = [
        replace(each, debit=each.debit.replace("anna", "zoe"), credit=each.credit.replace("anna", "zoe"))
        for each in other_owner
    ]
    with pytest.raises(ValueError, match="with the owners of that day"):
        difference_transfers([*moved_in.transfers, *other_owner], renamed, "SF")


@pytest.mark.parametrize("balance_nano", [10, -10, 1, 0])
def test_the_congestion_account_is_emptied_or_refilled_equally_to_the_nano_unit(balance_nano: int) -> None:
    points = [point(name) for name in ("anna", "ben", "cem")]
    transfers = congestion_rebate(balance_nano, points, interval=NOON, run="D1", tie_seed="seed")
    net = net_positions(transfers)
    assert net.get(CONGESTION, 0) == -balance_nano
    shares = [net.get(member_account(name), 0) for name in ("anna", "ben", "cem")]
    assert sum(shares) == balance_nano
    assert max(shares) - min(shares) <= 1


def test_a_rebate_needs_somebody_to_share_it() -> None:
    with pytest.raises(ValueError, match="cannot share 10"):
        congestion_rebate(10, [], interval=NOON, run="D1", tie_seed="seed")
