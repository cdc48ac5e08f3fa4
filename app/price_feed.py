"""What a kilowatt-hour costs a member and brings them, interval by interval, for programs that plan by it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.agents.flexible import buy_at_most, sell_at_least
from app.agents.prices import DAY_S, DAYS_OF_MEMORY, expected_prices
from app.community import Home, community_at
from app.errors import InputError
from app.storage.store.windows import known_prices
from contracts.tariff import Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedInterval:
    """One interval: what a shared kWh costs and brings, VAT and charges included, micro-units of currency.

    is_published  the market's price is known; otherwise it is what the agents expect by the days before
    """

    start_s: int
    end_s: int
    buy_micro_per_kwh: int
    sell_micro_per_kwh: int
    is_published: bool


def priced_intervals(
    connection: Connection, participant_id: str, *, now_s: int, hours: int
) -> tuple[PricedInterval, ...]:
    """The interval of `now_s` and those of the next `hours`. Raises InputError without a home, contract or tariff."""
    snapshot = community_at(connection, now_s)
    home = next((each for each in snapshot.homes.values() if each.owner.id == participant_id), None)
    if home is None:
        raise InputError(f"{participant_id} has no connection with a supply contract now")
    interval_s = snapshot.community.market_time_unit_s
    first_s = now_s // interval_s * interval_s
    starts = range(first_s, first_s + hours * 3600, interval_s)
    known = known_prices(connection, start_s=first_s - (DAYS_OF_MEMORY + 1) * DAY_S, decided_s=now_s + 1)
    lowest, highest = sell_at_least(home.bounds), buy_at_most(home.bounds)
    expected = expected_prices(known, starts, decided_s=now_s, lowest=lowest, highest=highest)
    return tuple(
        _priced(home, snapshot.tariff, known.get(start_s, guess), start_s, interval_s, is_published=start_s in known)
        for start_s, guess in zip(starts, expected, strict=True)
    )


def _priced(
    home: Home, tariff: Tariff, price: int, start_s: int, interval_s: int, *, is_published: bool
) -> PricedInterval:
    vat = tariff.vat(home.owner.vat_class)
    return PricedInterval(
        start_s=start_s,
        end_s=start_s + interval_s,
        buy_micro_per_kwh=(price + tariff.shared_charges_micro_per_kwh) * (1000 + vat.buying_permille) // 1000,
        sell_micro_per_kwh=price * (1000 + vat.selling_permille) // 1000,
        is_published=is_published,
    )
