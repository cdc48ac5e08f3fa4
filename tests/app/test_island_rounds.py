"""A community that is an island, from gate closure over set-points and metered energy to settled money."""

import html
from collections.abc import Mapping
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import Engine

from app.agents.battery import BatteryLook
from app.agents.histories import Histories
from app.market_round import MarketDesk, open_gate, run_gate_closure
from app.order_entry import HandOrder, OrderRefusedError, place_by_hand
from app.settlement_run import Period, SettlementDesk, settle_period
from app.storage.database import reading, writing
from app.storage.store.community import envelopes
from app.storage.store.members import (
    Preference,
    save_preference,
)
from app.storage.store.orders import book_of
from app.storage.store.outcomes import save_battery_looks
from app.storage.store.proofs import load_prepared
from app.storage.store.readings import save_substitutes
from app.storage.store.rounds import find_round, set_points_of, trades_of
from app.storage.store.settlement import allocations_between, balances
from contracts.transfers import CONGESTION, MARKET
from grid.network import GridNetwork, load_network
from matching.clearing import Clearing
from matching.orders import Side, Trade
from meters.interval import DeliveryInterval
from tests.app.island_street import ISLAND, cut_off, energy, habit, street_in
from tests.app.neighbourhood import NOON_S, StandingClock
from tests.app.street_server import member

SLOT_S = 900


@pytest.fixture
def street(tmp_path: Path) -> GridNetwork:
    return street_in(tmp_path)


@pytest.fixture
def island(community: Engine, street: GridNetwork) -> Engine:
    cut_off(community, street)
    return community


def clear_round(island: Engine, street: GridNetwork, *, stored_wh: int | None, **net_wh: int) -> Clearing:
    clock, interval = StandingClock(NOON_S - SLOT_S + 1), DeliveryInterval.at(NOON_S)
    with writing(island) as connection:
        habit(connection, NOON_S, **net_wh)
        if stored_wh is not None:
            save_battery_looks(connection, {"mp-unit": BatteryLook(at_s=NOON_S - SLOT_S, stored_wh=stored_wh)})
    desk = MarketDesk(engine=island, clock=clock, network=street, histories=Histories(island, minutes=15))
    open_gate(desk, interval)
    clearing = run_gate_closure(desk, interval)
    assert clearing is not None
    return clearing


def trades_by_point(island: Engine) -> Mapping[tuple[str, Side], Trade]:
    with reading(island) as connection:
        orders = {order.order_id: order for order in book_of(connection, NOON_S)}
        return {
            (orders[trade.order_id].metering_point, orders[trade.order_id].side): trade
            for trade in trades_of(connection, NOON_S)
        }


def settled(island: Engine, **net_wh: int) -> dict[str, tuple[int, int]]:
    """Meters, then money; (bought, sold) by metering point."""
    interval, clock = DeliveryInterval.at(NOON_S), StandingClock(NOON_S + 2 * SLOT_S)
    with writing(island) as connection:
        save_substitutes(connection, [energy(name, wh, interval) for name, wh in net_wh.items()], received_s=NOON_S)
    desk = SettlementDesk(engine=island, clock=clock, ledger=None, period_minutes=15, anchor_s=NOON_S)
    sequence = settle_period(desk, Period(first_start_s=NOON_S, end_s=NOON_S + SLOT_S))
    with reading(island) as connection:
        batch = load_prepared(connection, sequence)
        rows = allocations_between(
            connection, start_s=NOON_S, end_s=NOON_S + 1, points=[f"mp-{name}" for name in net_wh]
        )
        held = balances(connection)
    assert batch.rounds[0].island is not None
    assert batch.rounds[0].island.grid_forming_point == "mp-unit"
    assert sum(batch.member_deltas_nano.values()) + sum(batch.system_deltas_nano.values()) == 0
    assert held.get(MARKET, 0) == held.get(CONGESTION, 0) == sum(held.values()) == 0
    assert all(row.residual_import_wh == row.residual_export_wh == 0 for row in rows)
    return {row.metering_point: (row.bought_wh, row.sold_wh) for row in rows}


def test_the_sun_serves_the_street_and_fills_the_unit(island: Engine, street: GridNetwork) -> None:
    clearing = clear_round(island, street, stored_wh=10_000, anna=800, bela=-500)
    trades = trades_by_point(island)
    assert clearing.status == "green"
    assert trades["mp-anna", Side.SELL].accepted_wh == 800
    assert trades["mp-bela", Side.BUY].accepted_wh == 500
    assert trades["mp-unit", Side.BUY].accepted_wh == 300 - clearing.loss_wh
    assert clearing.loss_wh > 0
    with reading(island) as connection:
        told = {each.metering_point_id: each for each in set_points_of(connection, NOON_S)}
    assert told["mp-anna"].generation_limit_w == 3_200
    assert "mp-unit" not in told, "the unit follows the others"


def test_what_the_meters_say_is_settled_without_a_supplier(island: Engine, street: GridNetwork) -> None:
    clear_round(island, street, stored_wh=10_000, anna=800, bela=-500)
    shares = settled(island, anna=790, bela=-600, unit=-183)
    assert shares == {"mp-anna": (0, 790), "mp-bela": (600, 0), "mp-unit": (183, 0)}


def test_sun_that_nobody_can_use_is_spilled_and_held_back_by_a_set_point(island: Engine, street: GridNetwork) -> None:
    clearing = clear_round(island, street, stored_wh=17_900, anna=800, bela=-500)
    with reading(island) as connection:
        (told,) = set_points_of(connection, NOON_S)
    # Of 20 kWh the last tenth is kept free, so the unit takes 100 Wh.
    sold_wh = 600 + clearing.loss_wh
    assert (clearing.status, clearing.island.spilled_wh, clearing.island.shed_wh) == ("amber", 800 - sold_wh, 0)
    assert (told.metering_point_id, told.generation_limit_w) == ("mp-anna", sold_wh * 4)


def test_demand_that_cannot_be_served_is_shed_and_the_connection_told(
    island: Engine, street: GridNetwork, web_app: APIFlask, clock: StandingClock
) -> None:
    clearing = clear_round(island, street, stored_wh=2_300, anna=-100, bela=-500)
    assert clearing.status == "red"
    assert clearing.clearing_price_micro_per_kwh == ISLAND.lost_load_micro_per_kwh
    trades = trades_by_point(island)
    assert trades["mp-unit", Side.SELL].accepted_wh == 300, "the last tenth of 20 kWh is kept"
    served_wh = trades["mp-bela", Side.BUY].accepted_wh
    assert clearing.island.shed_wh == 600 - 300 + clearing.loss_wh
    with reading(island) as connection:
        (room,) = envelopes(connection, start_s=NOON_S, end_s=NOON_S + 1, points=["mp-bela"])
        assert find_round(connection, NOON_S).island["shed_wh"] == clearing.island.shed_wh
    assert room.import_limit_w == served_wh * 4
    clock.now_s = NOON_S
    page = html.unescape(member(web_app, "bela").get(f"/why/{NOON_S}").text)
    assert "Nobody on the island has a supplier" in page
    assert "cannot be served. Where energy is short the price is what a kWh of it is worth" in page
    assert "please use no more in this interval" in page
    assert "supplier stepped in" not in page
    assert "some not served" in member(web_app, "bela").get("/prices").text
    answer = web_app.test_client().get(f"/api/v1/public/rounds/{NOON_S}")
    operators = html.unescape(member(web_app, "olga").get(f"/operator/rounds/{NOON_S}").text)
    assert "of firm demand are shed" in operators
    assert answer.json["island"]["shed_wh"] == clearing.island.shed_wh
    assert settled(island, anna=-90, bela=-250, unit=352) == {
        "mp-anna": (90, 0),
        "mp-bela": (250, 0),
        "mp-unit": (0, 352),
    }


def test_without_a_word_from_the_unit_nothing_flows(island: Engine, street: GridNetwork) -> None:
    clearing = clear_round(island, street, stored_wh=None, anna=0, bela=-500)
    assert (clearing.status, clearing.traded_wh, clearing.island.shed_wh) == ("red", 0, 500)
    assert settled(island, anna=0, bela=0, unit=0) == {"mp-anna": (0, 0), "mp-bela": (0, 0), "mp-unit": (0, 0)}


def test_who_pauses_trading_is_served_all_the_same(island: Engine, street: GridNetwork) -> None:
    with writing(island) as connection:
        save_preference(connection, Preference(participant_id="bela", trading_paused=True))
    clear_round(island, street, stored_wh=10_000, anna=800, bela=-500)
    assert trades_by_point(island)["mp-bela", Side.BUY].accepted_wh == 500


def test_a_published_result_is_what_an_independent_power_flow_of_the_cut_off_street_gives(
    island: Engine, street: GridNetwork, tmp_path: Path
) -> None:
    import pandapower
    from pandapower.topology import unsupplied_buses

    clearing = clear_round(island, street, stored_wh=10_000, anna=800, bela=-500)
    net = load_network(str(tmp_path))
    buses = street.member_buses()
    net.ext_grid = net.ext_grid.iloc[0:0]
    net.trafo.in_service = False
    pandapower.create_ext_grid(net, buses["mp-unit"])
    net.bus.loc[list(unsupplied_buses(net)), "in_service"] = False
    pandapower.create_sgen(net, buses["mp-anna"], p_mw=0.0032)
    pandapower.create_load(net, buses["mp-bela"], p_mw=0.002, q_mvar=0.002 * 0.33)
    pandapower.runpp(net)
    unit_wh = -float(net.res_ext_grid.p_mw.iloc[0]) * 1e6 / 4
    assert abs(unit_wh - trades_by_point(island)["mp-unit", Side.BUY].accepted_wh) <= 1.5
    assert abs(float(net.res_line.pl_mw.sum()) * 1e6 / 4 - clearing.loss_wh) <= 1.5


def test_nobody_bids_by_hand_as_much_as_firm_demand_is_worth(island: Engine, street: GridNetwork) -> None:
    desk = MarketDesk(
        engine=island, clock=StandingClock(NOON_S - 3 * SLOT_S), network=street, histories=Histories(island, minutes=15)
    )
    open_gate(desk, DeliveryInterval.at(NOON_S))
    for side, limit in ((Side.BUY, 5_000_000), (Side.SELL, 5_000_100)):
        wish = HandOrder(
            order_id=f"hand-{side}",
            participant="bela",
            metering_point="mp-bela",
            start_s=NOON_S,
            side=side,
            quantity_wh=10,
            limit_micro_per_kwh=limit,
        )
        with writing(island) as connection, pytest.raises(OrderRefusedError, match="On an island"):
            place_by_hand(connection, wish, now_s=NOON_S - 3 * SLOT_S)
