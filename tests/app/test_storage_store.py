"""Rows and nouns: what goes in comes out, and what would break the community is refused."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from app.audit import AuditEntry, entries, record
from app.errors import InputError
from app.storage.database import reading, writing
from app.storage.store import community as communities
from app.storage.store import devices, members, orders, rounds
from app.storage.store.orders import GateClosedError
from app.storage.store.rounds import PublishedClearing, RoundStateError, SetPoint
from matching.orders import Firmness, Order, Side, Trade
from tests.app.neighbourhood import DAY_S, NOON_S, STRANGERS_KEY, address_of

SELL = Order(
    order_id="o1",
    participant="anna",
    metering_point="mp-anna",
    side=Side.SELL,
    quantity_wh=400,
    limit_micro_per_kwh=135_000,
    firmness=Firmness.CURTAILABLE,
)
BUY = replace(SELL, order_id="o2", participant="bela", metering_point="mp-bela", side=Side.BUY, firmness=Firmness.FIRM)
CLEARING = PublishedClearing(
    status="green",
    clearing_price_micro_per_kwh=190_000,
    traded_wh=400,
    binding_count=0,
    document={"mechanism": "k_double_auction", "welfare_nano": 1},
    clearing_hash="abc",
    network={"vm_pu": {"1": 1.01}},
)
TRADES = [
    Trade(order_id=name, accepted_wh=400, curtailed_wh=0, price_micro_per_kwh=190_000, amount_nano=76_000_000)
    for name in ("o1", "o2")
]


def _joined(book: tuple[Order, ...]) -> str:
    return "+".join(order.order_id for order in book)


def _closed_round(engine: Engine) -> None:
    with writing(engine) as connection:
        rounds.open_rounds(connection, [NOON_S])
        orders.place_orders(connection, [SELL, BUY], start_s=NOON_S, origin="agent", placed_s=NOON_S - 1_000)
        rounds.close_round(connection, NOON_S, closed_s=NOON_S - 900, digest=_joined)


def _clear(engine: Engine, trades: list[Trade] = TRADES) -> None:
    with writing(engine) as connection:
        rounds.save_clearing(
            connection,
            NOON_S,
            CLEARING,
            trades=trades,
            set_points=[SetPoint(metering_point_id="mp-anna", start_s=NOON_S, generation_limit_w=1_600)],
            cleared_s=NOON_S - 840,
        )


def test_members_come_back_as_they_were_added(any_community: Engine) -> None:
    with reading(any_community) as connection:
        anna = members.participant_by_email(connection, " ANNA@example.org ")
        assert anna is not None
        assert (anna.id, anna.lane, "operator" in anna.roles, anna.is_suspended) == ("anna", 1, False, False)
        assert [member.id for member in members.participants(connection, role="household")] == ["anna", "bela"]
        assert members.metering_points(connection, participant_id="anna")[0].generation_controllable is True
        assert members.participant(connection, "nobody") is None


def test_a_second_member_with_the_same_address_is_refused(any_community: Engine) -> None:
    twin = members.Participant(id="anna2", display_name="Anna", email="ANNA@example.org")
    with pytest.raises(IntegrityError), writing(any_community) as connection:
        members.add_participant(connection, twin)


def test_suspending_a_member_holds_and_an_unknown_one_is_refused(any_community: Engine) -> None:
    with writing(any_community) as connection:
        members.set_status(connection, "bela", "suspended")
    with reading(any_community) as connection:
        bela = members.participant(connection, "bela")
        assert bela is not None
        assert bela.is_suspended
    with pytest.raises(InputError, match="no member 'zoe'"), writing(any_community) as connection:
        members.set_status(connection, "zoe", "suspended")


def test_a_new_contract_ends_the_earlier_one_where_it_begins(any_community: Engine) -> None:
    newer = members.SupplyContract(
        participant_id="anna",
        supplier_price_micro_per_kwh=320_000,
        feed_in_price_micro_per_kwh=70_000,
        valid_from_s=NOON_S,
    )
    with writing(any_community) as connection:
        members.add_contract(connection, newer)
    with reading(any_community) as connection:
        before = members.contract_at(connection, "anna", NOON_S - 1)
        assert before is not None
        assert (before.supplier_price_micro_per_kwh, before.valid_to_s) == (300_000, NOON_S)
        assert members.contracts_at(connection, NOON_S)["anna"] == newer
        assert members.contract_at(connection, "anna", -1) is None


def test_preferences_replace_each_other_and_default_without_a_row(any_community: Engine) -> None:
    wish = members.Preference(participant_id="anna", sell_at_least_micro_per_kwh=150_000, autonomy="semi", changed_s=5)
    with writing(any_community) as connection:
        members.save_preference(connection, replace(wish, trading_paused=True))
        members.save_preference(connection, wish)
    with reading(any_community) as connection:
        assert members.preferences_at(connection, 5) == {"anna": wish}
        assert members.preferences_at(connection, 4) == {}
        assert members.preference_of(connection, "bela") == members.Preference(participant_id="bela")


def test_a_second_community_in_one_database_is_refused(any_community: Engine) -> None:
    other = communities.Community(id="vale", name="Vale", network="transformer:100", tie_seed="8")
    with pytest.raises(InputError, match="already holds a community"), writing(any_community) as connection:
        communities.create_community(connection, other)


def test_another_ledger_for_the_same_community_is_refused(any_community: Engine) -> None:
    elsewhere = "0x00000000000000000000000000000000000000BB"
    with pytest.raises(InputError, match="restore that chain"), writing(any_community) as connection:
        communities.save_chain(
            connection, chain_id=1, ledger_address=elsewhere, ledger_code_hash="0x", genesis_hash="0x"
        )


def test_the_tariff_in_force_is_the_newest_before_the_instant(any_community: Engine) -> None:
    with writing(any_community) as connection:
        communities.add_tariff(connection, valid_from_s=0, tariff_json='{"v": 1}')
        communities.add_tariff(connection, valid_from_s=NOON_S, tariff_json='{"v": 2}')
        communities.add_tariff(connection, valid_from_s=NOON_S, tariff_json='{"v": 2}')
    with reading(any_community) as connection:
        assert communities.tariff_json_at(connection, NOON_S - 1) == '{"v": 1}'
        assert communities.tariff_json_at(connection, NOON_S) == '{"v": 2}'
        assert communities.tariff_json_at(connection, -1) is None
    with pytest.raises(InputError, match="never edited"), writing(any_community) as connection:
        communities.add_tariff(connection, valid_from_s=0, tariff_json='{"v": 3}')


def test_envelopes_are_replaced_by_later_ones(any_community: Engine) -> None:
    first = communities.Envelope(metering_point_id="mp-anna", start_s=NOON_S, import_limit_w=10_000, export_limit_w=9)
    later = replace(first, export_limit_w=4_000)
    with writing(any_community) as connection:
        communities.save_envelopes(connection, [first])
        communities.save_envelopes(connection, [later])
    with reading(any_community) as connection:
        assert communities.envelopes(connection, start_s=NOON_S, end_s=NOON_S + 1) == (later,)


def test_the_book_holds_standing_orders_and_forgets_no_cancelled_one(any_community: Engine) -> None:
    with writing(any_community) as connection:
        rounds.open_rounds(connection, [NOON_S])
        orders.place_orders(connection, [SELL, BUY], start_s=NOON_S, origin="agent", placed_s=10)
        orders.cancel_order(connection, "o2", cancelled_s=20)
    with reading(any_community) as connection:
        assert orders.book_of(connection, NOON_S) == (SELL,)
        (kept,) = orders.orders_of(connection, "bela", start_s=NOON_S, end_s=NOON_S + 1)
        assert (kept.order, kept.cancelled_s) == (BUY, 20)
        assert orders.standing_steps(connection, "mp-anna", start_s=NOON_S, side=Side.SELL) == (1, 400)


def test_an_order_placed_twice_stands_once_and_as_first_placed(any_community: Engine) -> None:
    with writing(any_community) as connection:
        rounds.open_rounds(connection, [NOON_S])
        orders.place_orders(connection, [SELL], start_s=NOON_S, origin="agent", placed_s=10)
        orders.place_orders(connection, [replace(SELL, quantity_wh=9)], start_s=NOON_S, origin="agent", placed_s=11)
    with reading(any_community) as connection:
        assert orders.book_of(connection, NOON_S) == (SELL,)


def test_after_gate_closure_the_book_neither_grows_nor_shrinks(any_community: Engine) -> None:
    _closed_round(any_community)
    late = replace(SELL, order_id="late")
    with pytest.raises(GateClosedError, match="gate is closed"), writing(any_community) as connection:
        orders.place_orders(connection, [late], start_s=NOON_S, origin="person", placed_s=NOON_S)
    with pytest.raises(GateClosedError, match="gate is closed"), writing(any_community) as connection:
        orders.cancel_order(connection, "o1", cancelled_s=NOON_S)
    with pytest.raises(GateClosedError, match="no market round"), writing(any_community) as connection:
        orders.place_orders(connection, [late], start_s=NOON_S + DAY_S, origin="person", placed_s=NOON_S)
    with reading(any_community) as connection:
        assert orders.book_of(connection, NOON_S) == (SELL, BUY)
        found = rounds.find_round(connection, NOON_S)
        assert found is not None
        assert (found.state, found.book_hash, found.closed_s) == ("closed", "o1+o2", NOON_S - 900)


def test_a_clearing_is_published_with_its_trades_and_set_points(any_community: Engine) -> None:
    _closed_round(any_community)
    _clear(any_community)
    with reading(any_community) as connection:
        found = rounds.find_round(connection, NOON_S)
        assert found is not None
        assert (found.state, found.clearing_price_micro_per_kwh, found.traded_wh) == ("cleared", 190_000, 400)
        assert found.clearing_document() == dict(CLEARING.document)
        assert found.network_state() == {"vm_pu": {"1": 1.01}}
        assert rounds.trades_of(connection, NOON_S) == tuple(TRADES)
        mine = rounds.trades_of_participant(connection, "bela", start_s=NOON_S, end_s=NOON_S + 1)
        assert mine == ((NOON_S, TRADES[1]),)
        ((device, point),) = rounds.set_points_for_gateway(connection, "g1", start_s=NOON_S)
        assert (device, point.generation_limit_w, point.battery_w) == ("d-anna", 1_600, None)
        assert rounds.set_points_for_gateway(connection, "another", start_s=NOON_S) == ()


def test_no_interval_is_cleared_twice(any_community: Engine) -> None:
    _closed_round(any_community)
    _clear(any_community)
    with pytest.raises(RoundStateError, match="is cleared: only a round that is closed"):
        _clear(any_community)
    with reading(any_community) as connection:
        assert len(rounds.trades_of(connection, NOON_S)) == 2


def test_a_clearing_that_cannot_be_stored_whole_is_not_stored_at_all(any_community: Engine) -> None:
    _closed_round(any_community)
    with pytest.raises(IntegrityError):
        _clear(any_community, [*TRADES, TRADES[0]])
    with reading(any_community) as connection:
        assert rounds.rounds_in_state(connection, "closed", until_s=NOON_S + 1) == (NOON_S,)
        assert rounds.trades_of(connection, NOON_S) == ()
        assert rounds.set_points_of(connection, NOON_S) == ()


def test_a_round_moves_forward_only(any_community: Engine) -> None:
    with pytest.raises(RoundStateError, match="does not exist"), writing(any_community) as connection:
        rounds.mark_settled(connection, NOON_S)
    _closed_round(any_community)
    with pytest.raises(RoundStateError, match="only a round that is cleared"), writing(any_community) as connection:
        rounds.mark_settled(connection, NOON_S)
    _clear(any_community)
    with writing(any_community) as connection:
        rounds.mark_settled(connection, NOON_S)
        rounds.open_rounds(connection, [NOON_S])
    with reading(any_community) as connection:
        assert [r.state for r in rounds.rounds_between(connection, start_s=0, end_s=NOON_S + 1)] == ["settled"]


def test_a_gateway_enrols_once_with_its_code_and_waits_for_approval(any_community: Engine) -> None:
    address = address_of(STRANGERS_KEY)
    with writing(any_community) as connection:
        devices.add_gateway(connection, devices.Gateway(id="g2", name="Attic"), code_hash="code", code_expires_s=100)
        with pytest.raises(InputError, match="has not enrolled"):
            devices.set_gateway_status(connection, "g2", "approved")
        assert devices.enrol_gateway(connection, code_hash="code", address=address, token_hash="t", now_s=100) is None
        enrolled = devices.enrol_gateway(connection, code_hash="code", address=address, token_hash="t", now_s=99)
        assert enrolled == devices.Gateway(id="g2", name="Attic", address=address, status="pending")
        assert devices.enrol_gateway(connection, code_hash="code", address=address, token_hash="u", now_s=99) is None
        assert devices.set_gateway_status(connection, "g2", "approved").status == "approved"
        assert devices.gateway_by_token(connection, "t") == replace(enrolled, status="approved")


def test_a_key_of_one_gateway_cannot_enrol_another(any_community: Engine) -> None:
    with writing(any_community) as connection:
        taken = devices.find_gateway(connection, "g1")
        assert taken is not None
        assert taken.address is not None
        devices.add_gateway(connection, devices.Gateway(id="g2", name="Attic"), code_hash="code", code_expires_s=100)
        with pytest.raises(InputError, match="belongs to gateway g1"):
            devices.enrol_gateway(connection, code_hash="code", address=taken.address, token_hash="t", now_s=1)


def test_a_second_meter_at_one_metering_point_is_refused(any_community: Engine) -> None:
    second = devices.Device(id="d-2", metering_point_id="mp-anna", gateway_id="g1", profile="eastron_sdm630")
    with pytest.raises(InputError, match="metered by device 'd-anna'"), writing(any_community) as connection:
        devices.add_device(connection, second)


def test_the_audit_log_lists_the_newest_deeds_first(any_community: Engine) -> None:
    deeds = [AuditEntry(at_s=at_s, actor="olga", action="approve", subject=f"g{at_s}") for at_s in (1, 2, 3)]
    with writing(any_community) as connection:
        for deed in deeds:
            record(connection, deed)
    with reading(any_community) as connection:
        assert entries(connection, since_s=2) == (deeds[2], deeds[1])
