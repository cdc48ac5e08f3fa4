"""Windows through real rounds on both databases: what is bought, what flows anyway, what gateways are told."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.agents.windows import DeviceClass, Traded, WindowOrder
from app.market_round import MarketDesk, open_gate, run_gate_closure
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.members import Preference, save_preference
from app.storage.store.orders import book_of
from app.storage.store.readings import save_substitutes
from app.storage.store.rounds import set_points_of
from app.storage.store.windows import (
    cancel_window,
    device_energy_between,
    find_window,
    known_prices,
    place_window,
    standing_windows,
    traded_by_window,
    windows_of,
)
from contracts.tariff import Tariff
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock

SLOT_S = 900
CAR = WindowOrder(
    window_id="bela:car",
    participant="bela",
    metering_point="mp-bela",
    device=DeviceClass.CAR,
    earliest_s=NOON_S,
    latest_s=NOON_S + 4 * SLOT_S,
    energy_wh=1_500,
    power_w=4_000,
)


@pytest.fixture
def market(any_community: Engine) -> MarketDesk:
    with writing(any_community) as connection:
        tariff = Tariff(version="test", platform_fee_micro_per_kwh=0)
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(tariff.to_json()))
    return MarketDesk(
        engine=any_community,
        clock=StandingClock(NOON_S - 2 * SLOT_S),
        network=None,
        histories=Histories(any_community, minutes=15),
    )


def place(market: MarketDesk, *windows: WindowOrder) -> None:
    with writing(market.engine) as connection:
        for window in windows:
            place_window(connection, window, placed_s=NOON_S - 2 * SLOT_S)


def metered(market: MarketDesk, net_wh: dict[str, int]) -> None:
    """The week before and today: each home always with the same net energy, + fed in."""
    with writing(market.engine) as connection:
        for start_s in range(NOON_S - 7 * DAY_S, NOON_S - SLOT_S, SLOT_S):
            energies = [
                IntervalEnergy(
                    metering_point=f"mp-{name}",
                    interval=DeliveryInterval.at(start_s),
                    import_wh=max(-wh, 0),
                    export_wh=max(wh, 0),
                )
                for name, wh in net_wh.items()
            ]
            save_substitutes(connection, energies, received_s=start_s + SLOT_S)


def play(market: MarketDesk, start_s: int) -> tuple[Order, ...]:
    """One round from its gate to its result; the book."""
    interval = DeliveryInterval.at(start_s)
    clock = market.clock
    assert isinstance(clock, StandingClock)
    clock.now_s = start_s - 2 * SLOT_S + 1
    open_gate(market, interval)
    clock.now_s = start_s - SLOT_S + 1
    run_gate_closure(market, interval)
    with reading(market.engine) as connection:
        return book_of(connection, start_s)


def traded(market: MarketDesk, window: WindowOrder) -> Traded:
    with reading(market.engine) as connection:
        return traded_by_window(connection, [window.window_id], before_s=window.latest_s).get(
            window.window_id, Traded()
        )


def told_w(market: MarketDesk, start_s: int) -> dict[str, int | None]:
    with reading(market.engine) as connection:
        return {point.metering_point_id: point.battery_w for point in set_points_of(connection, start_s)}


def window_orders(book: tuple[Order, ...], window: WindowOrder) -> list[tuple[Side, int, Firmness]]:
    mine = [order for order in book if order.order_id.startswith(window.window_id)]
    return [(order.side, order.quantity_wh, order.firmness) for order in mine]


def test_without_neighbours_that_sell_the_supplier_fills_the_car_in_its_last_two_intervals(market: MarketDesk) -> None:
    place(market, CAR)
    books = {start_s: play(market, start_s) for start_s in range(CAR.earliest_s, CAR.latest_s, SLOT_S)}
    firm = {
        (start_s - NOON_S) // SLOT_S: wh
        for start_s, book in books.items()
        for side, wh, firmness in window_orders(book, CAR)
        if firmness is Firmness.FIRM
    }
    assert firm == {2: 500, 3: 1_000}
    assert traded(market, CAR) == Traded(drawn_wh=1_500)
    assert [told_w(market, start_s).get("mp-bela") for start_s in books] == [None, None, 2_000, 4_000]


def test_a_car_is_filled_by_its_neighbours_sun_as_soon_as_that_is_cheaper_than_waiting(market: MarketDesk) -> None:
    metered(market, {"anna": 600, "bela": -100})
    place(market, CAR)
    books = {start_s: play(market, start_s) for start_s in range(CAR.earliest_s, CAR.latest_s, SLOT_S)}
    assert traded(market, CAR) == Traded(drawn_wh=1_500)
    bought = [order for book in books.values() for order in book if order.order_id.startswith(CAR.window_id)]
    assert any(order.firmness is Firmness.FLEXIBLE for order in bought)
    # What neighbours sold flows as a set-point; it is no part of what the home is expected to draw tomorrow.
    assert told_w(market, NOON_S)["mp-bela"]
    with reading(market.engine) as connection:
        moved = device_energy_between(connection, start_s=NOON_S, end_s=CAR.latest_s)
    assert sum(wh for (point, _), wh in moved.items() if point == "mp-bela") == -1_500


def test_a_car_behind_a_solar_roof_takes_its_own_surplus_and_the_rest_is_offered(market: MarketDesk) -> None:
    metered(market, {"anna": 600, "bela": -100})
    own = replace(CAR, window_id="anna:car", participant="anna", metering_point="mp-anna", energy_wh=400)
    place(market, own)
    book = play(market, NOON_S)
    assert window_orders(book, own) == []
    (sell,) = [order for order in book if order.metering_point == "mp-anna"]
    assert (sell.side, sell.quantity_wh, sell.firmness) == (Side.SELL, 200, Firmness.CURTAILABLE)
    assert traded(market, own) == Traded(drawn_wh=400)
    assert told_w(market, NOON_S)["mp-anna"] == 1_600
    with reading(market.engine) as connection:
        assert device_energy_between(connection, start_s=NOON_S, end_s=NOON_S + 1) | {("mp-bela", NOON_S): 0} == {
            ("mp-anna", NOON_S): -400,
            ("mp-bela", NOON_S): 0,
        }


def test_a_cancelled_window_and_a_home_that_pauses_trading_bid_no_more(market: MarketDesk) -> None:
    place(market, CAR)
    with writing(market.engine) as connection:
        cancel_window(connection, CAR.window_id, cancelled_s=NOON_S - 2 * SLOT_S)
    assert window_orders(play(market, CAR.latest_s - SLOT_S), CAR) == []
    again = replace(CAR, window_id="bela:again", earliest_s=CAR.latest_s, latest_s=CAR.latest_s + SLOT_S, energy_wh=900)
    place(market, again)
    with writing(market.engine) as connection:
        save_preference(connection, Preference(participant_id="bela", trading_paused=True))
    assert window_orders(play(market, again.earliest_s), again) == []


def test_a_round_that_is_run_again_decides_nothing_anew(market: MarketDesk) -> None:
    metered(market, {"anna": 600, "bela": -100})
    place(market, CAR)
    book, before = play(market, NOON_S), traded(market, CAR)
    assert play(market, NOON_S) == book
    assert traded(market, CAR) == before != Traded()


def test_windows_are_kept_and_found_by_member_time_and_connection(market: MarketDesk) -> None:
    pump = replace(
        CAR,
        window_id="anna:pump",
        participant="anna",
        metering_point="mp-anna",
        device=DeviceClass.HEAT_PUMP,
        efficiency_permille=950,
        limit_micro_per_kwh=150_000,
        buffer_wh=300,
    )
    place(market, CAR, pump)
    with writing(market.engine) as connection:
        cancel_window(connection, CAR.window_id, cancelled_s=7)
        cancel_window(connection, CAR.window_id, cancelled_s=8)
    with reading(market.engine) as connection:
        kept, cancelled = find_window(connection, pump.window_id), find_window(connection, CAR.window_id)
        assert kept is not None
        assert (kept.window, kept.cancelled_s) == (pump, None)
        assert cancelled is not None
        assert cancelled.cancelled_s == 7
        assert find_window(connection, "no-such") is None
        assert [each.window for each in windows_of(connection, "anna", start_s=0, end_s=2**40)] == [pump]
        assert standing_windows(connection, start_s=NOON_S, end_s=NOON_S + 1) == (pump,)
        assert standing_windows(connection, start_s=CAR.latest_s, end_s=2**40) == ()
        assert standing_windows(connection, start_s=0, end_s=2**40, metering_point_id="mp-bela") == ()


def test_only_prices_that_were_published_before_the_decision_are_known(market: MarketDesk) -> None:
    metered(market, {"anna": 600, "bela": -500})
    play(market, NOON_S)
    with reading(market.engine) as connection:
        assert list(known_prices(connection, start_s=0, decided_s=NOON_S)) == [NOON_S]
        assert known_prices(connection, start_s=0, decided_s=NOON_S - SLOT_S + 1) == {}
