"""The runs D1, SF, R1 and RF: what comes late is posted as a difference, once, and nothing else moves."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from app.audit import entries
from app.errors import InputError
from app.local_time import LocalMonth
from app.market_choice import MarketChoice, Timing
from app.month_runs import due_runs, run_month
from app.settlement_calendar import MONTH_RUNS, RunCalendar, RunKind
from app.statements import statement_of
from app.storage.database import open_database, reading, writing
from app.storage.store.accounts import all_invoices, invoices_of
from app.storage.store.members import Preference, save_preference
from app.storage.store.proofs import load_prepared
from app.storage.store.settlement import balances, batches, transfers_between
from app.storage.store.settlement_runs import Gap, SettlementRun, runs_between
from contracts.bills import BillItem
from contracts.references import creditor_reference, is_creditor_reference
from contracts.transfers import Transfer, TransferKind
from meters.interval import DeliveryInterval
from tests.app.delivered_day import DAY_START_S, SLOT_S, SLOTS, DeliveredDay
from tests.app.neighbourhood import found_community

BERLIN = ZoneInfo("Europe/Berlin")
JUNE = LocalMonth.parse("2025-06", BERLIN)
JULY = LocalMonth.parse("2025-07", BERLIN)
KEY = MarketChoice(mechanism="dynamic_key", community_price_micro_per_kwh=150_000, timing=Timing.EX_POST)
AUCTION = MarketChoice(timing=Timing.EX_POST)
LATE = range(52, 56)
DAY_SLOTS = range(46, 60)  # six quarter-hours with 100 Wh to share, eight with 250 Wh
AFTER_GRACE_S = DAY_START_S + 2 * 86_400
SF_S, R1_S, RF_S = (RunCalendar().due_s(kind, JUNE) for kind in MONTH_RUNS)


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=BERLIN).timestamp())


@pytest.mark.parametrize(
    ("month", "final", "first_correction", "last"),
    [
        ("2025-06", (2025, 7, 8), (2025, 8, 15), (2025, 11, 1)),  # 1 July is a Tuesday: 1, 2, 3, 4, 7
        ("2025-01", (2025, 2, 8), (2025, 3, 18), (2025, 6, 1)),  # 1 February is a Saturday: 3 to 7
        ("2025-10", (2025, 11, 8), (2025, 12, 16), (2026, 3, 1)),  # summer time ends in the month
    ],
)
def test_runs_are_due_after_five_working_days_forty_five_days_and_four_months(
    month: str, final: tuple[int, int, int], first_correction: tuple[int, int, int], last: tuple[int, int, int]
) -> None:
    due = [RunCalendar().due_s(kind, LocalMonth.parse(month, BERLIN)) for kind in MONTH_RUNS]
    assert due == [at(*final), at(*first_correction), at(*last)]


def runs_of(engine: Engine) -> list[SettlementRun]:
    with reading(engine) as connection:
        return list(runs_between(connection, start_s=0, end_s=1 << 40))


def posted_by(engine: Engine, run: str) -> list[Transfer]:
    with reading(engine) as connection:
        found = transfers_between(connection, start_s=0, end_s=1 << 40, minutes=15)
    return [each for each in found if each.run == run]


def totals(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {name: nano for name, nano in balances(connection).items() if nano}


def day_with_late_meter(engine: Engine, choice: MarketChoice) -> DeliveredDay:
    """Everything is metered but four quarter-hours of bela, and settled without them when nobody waits any longer."""
    day = DeliveredDay(engine, choice)
    day.deliver(range(DAY_SLOTS[0], LATE[0]), settle=False)
    day.deliver(LATE, without=frozenset({"bela"}), settle=False)
    day.deliver(range(LATE[-1] + 1, DAY_SLOTS[-1] + 1), settle=False)
    day.settle_at(AFTER_GRACE_S)
    return day


def tell_late(day: DeliveredDay) -> None:
    for slot in LATE:
        day.meter(slot)


@pytest.fixture
def punctual(tmp_path: Path) -> Engine:
    """The same day of a community whose meters are never late."""
    engine = open_database(f"sqlite:///{tmp_path / 'punctual.sqlite'}")
    found_community(engine)
    DeliveredDay(engine, KEY).deliver(DAY_SLOTS)
    return engine


def test_late_readings_end_in_the_result_of_a_day_on_which_none_was_late(community: Engine, punctual: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    missed = Gap(metering_point="mp-bela", missing=4, guessed=0, first_start_s=DAY_START_S + LATE[0] * SLOT_S)
    (first,) = runs_of(community)
    assert (first.kind, first.is_complete, first.gaps) == ("D1", False, (missed,))
    assert totals(community) != totals(punctual)
    tell_late(day)
    day.settle_at(SF_S)
    assert {n: v for n, v in totals(community).items() if "rounding" not in n} == totals(punctual)
    final = runs_of(community)[-1]
    assert (final.name, final.is_complete, final.intervals_changed) == ("SF", True, 4)
    touched = {each.interval.start_s for each in posted_by(community, "SF")}
    assert touched == {DAY_START_S + slot * SLOT_S for slot in LATE}


def test_differences_of_a_run_are_the_late_energy_at_the_price_of_then(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    tell_late(day)
    day.settle_at(SF_S)
    bought = [
        each for each in posted_by(community, "SF") if each.kind is TransferKind.ENERGY and each.debit == "member:bela"
    ]
    assert [(each.energy_wh, each.price_micro_per_kwh) for each in bought] == [(250, 150_000)] * 4


def test_where_orders_made_the_price_late_energy_without_one_stays_with_the_supplier(community: Engine) -> None:
    day = day_with_late_meter(community, AUCTION)
    before = totals(community)
    tell_late(day)
    day.settle_at(SF_S)
    assert posted_by(community, "SF") == []
    assert totals(community) == before
    assert runs_of(community)[-1].intervals_changed == 4  # bela's energy is now known, and her supplier's


def test_a_run_again_posts_nothing_and_has_a_name_of_its_own(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    tell_late(day)
    day.settle_at(SF_S)
    before = totals(community)
    day.settle_at(SF_S + 3600)
    assert [run.name for run in runs_of(community)] == ["D1", "SF"]
    again = run_month(day.scheduler.settlement, JUNE, RunKind.SF, actor="olga")
    assert (again.name, again.transfers_posted, again.intervals_changed, again.actor) == ("SF.2", 0, 0, "olga")
    assert totals(community) == before
    with reading(community) as connection:
        newest = entries(connection)[0]
    assert (newest.actor, newest.action, newest.subject) == ("olga", "settlement.run", "SF.2 of 2025-06")


def test_all_runs_that_were_missed_are_made_in_their_order(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    assert [(kind, month.key) for _, month, kind in due_runs(day.scheduler.settlement)] == [
        ("SF", "2025-06"),
        ("R1", "2025-06"),
        ("RF", "2025-06"),
    ]
    day.settle_at(RF_S)
    assert [run.name for run in runs_of(community)] == ["D1", "SF", "R1", "RF"]
    assert {kind for _, month, kind in due_runs(day.scheduler.settlement) if month == JUNE} == set()


def test_limits_that_were_moved_since_do_not_change_what_was_shared(community: Engine, punctual: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    with writing(community) as connection:
        moved = Preference(participant_id="anna", sell_at_least_micro_per_kwh=290_000, changed_s=AFTER_GRACE_S)
        save_preference(connection, moved)
    tell_late(day)
    day.settle_at(SF_S)
    assert {n: v for n, v in totals(community).items() if "rounding" not in n} == totals(punctual)


def test_corrections_ride_with_the_next_day_and_add_up_with_it(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    tell_late(day)
    day.settle_at(SF_S)
    with reading(community) as connection:
        assert len(batches(connection)) == 1
    later = (SF_S - DAY_START_S) // SLOT_S + 52
    day.deliver(range(later, later + 2))
    with reading(community) as connection:
        record = batches(connection)[-1]
        batch = load_prepared(connection, record.sequence)
        net = dict(balances(connection))
    starts = {each.interval.start_s for each in batch.rounds}
    assert record.first_start_s == SF_S
    assert record.corrects_from_s == DAY_START_S + LATE[0] * SLOT_S
    assert {DAY_START_S + slot * SLOT_S for slot in LATE} < starts
    assert sum(batch.member_deltas_nano.values()) + sum(batch.system_deltas_nano.values()) == 0
    with reading(community) as connection:
        both = [load_prepared(connection, each.sequence) for each in batches(connection)]
    for lane, name in ((1, "anna"), (2, "bela")):
        assert sum(each.member_deltas_nano[lane] for each in both) == net[f"member:{name}"]


def test_an_invoice_is_whole_cents_and_the_next_month_takes_the_rest_over(community: Engine) -> None:
    day = DeliveredDay(community, AUCTION)
    day.deliver(range(SLOTS))
    day.settle_at(SF_S)
    with reading(community) as connection:
        june = statement_of(connection, "bela", JUNE, now_s=SF_S)
        july = statement_of(connection, "bela", JULY, now_s=SF_S)
        (invoice,) = invoices_of(connection, "bela")
        (credit,) = invoices_of(connection, "anna")
    assert (invoice.total_cents, invoice.month, invoice.number, invoice.run) == (257, "2025-06", 1, "SF")
    assert is_creditor_reference(invoice.reference)
    assert credit.total_cents == -163  # 163.1 ct
    assert (june.community.total_nano, june.community.total_cents) == (2_570_000_000, 257)
    assert june.community.line(BillItem.CARRIED).amount_nano == -1_660_000
    assert july.community.line(BillItem.CARRIED).amount_nano == 1_660_000
    assert totals(community)["member:bela"] == -2_571_660_000


def test_an_invoice_waits_for_missing_data_and_others_do_not(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    day.settle_at(SF_S)
    with reading(community) as connection:
        assert [each.participant_id for each in all_invoices(connection)] == ["anna"]
    tell_late(day)
    run_month(day.scheduler.settlement, JUNE, RunKind.SF, actor="olga")
    with reading(community) as connection:
        found = [(each.participant_id, each.number, each.run) for each in all_invoices(connection)]
    assert found == [("anna", 1, "SF"), ("anna", 2, "SF.2"), ("bela", 1, "SF.2")]


def test_the_last_run_closes_the_month_whatever_is_missing(community: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    day.settle_at(RF_S)
    with reading(community) as connection:
        (invoice,) = invoices_of(connection, "bela")
    assert invoice.run == "RF"
    assert not runs_of(community)[-1].is_complete


def test_what_changes_after_an_invoice_is_an_invoice_of_the_difference(community: Engine, punctual: Engine) -> None:
    day = day_with_late_meter(community, KEY)
    day.settle_at(SF_S)
    tell_late(day)
    day.settle_at(R1_S)
    with reading(community) as connection:
        first, second = invoices_of(connection, "anna")
    assert (first.number, second.number, second.run) == (1, 2, "R1")
    with reading(punctual) as connection:
        whole = statement_of(connection, "anna", JUNE, now_s=SF_S).community
    assert first.total_cents + second.total_cents == whole.total_cents
    with reading(community) as connection:
        june = statement_of(connection, "anna", JUNE, now_s=R1_S).community
    assert june.total_nano == whole.total_cents * 10_000_000
    assert sum(totals(community).values()) == 0


def test_a_month_that_is_not_over_or_waits_is_not_run(community: Engine) -> None:
    day = DeliveredDay(community, KEY)
    day.deliver(DAY_SLOTS)
    with pytest.raises(InputError, match="2025-06 is not over"):
        run_month(day.scheduler.settlement, JUNE, RunKind.SF, actor="olga")
    last = (JUNE.end_s - DAY_START_S) // SLOT_S - 1
    day.clock.now_s = JUNE.end_s
    day.scheduler.announce(_interval(last))
    with pytest.raises(InputError, match="2025-06-30 23:45 waits for its first settlement"):
        run_month(day.scheduler.settlement, JUNE, RunKind.SF, actor="olga")
    day.scheduler.settle()
    assert [run.name for run in runs_of(community)] == ["D1"]


def _interval(slot: int) -> DeliveryInterval:
    return DeliveryInterval.at(DAY_START_S + slot * SLOT_S)


def test_a_reference_has_the_check_digits_of_the_standard_and_a_slip_is_seen() -> None:
    assert creditor_reference("539007547034") == "RF18539007547034"  # the example of the standard's introduction
    assert is_creditor_reference("RF18539007547034")
    assert not is_creditor_reference("RF18539007547043")
    assert not is_creditor_reference("RF18")
    with pytest.raises(ValueError, match="is no reference"):
        creditor_reference("no spaces please")
