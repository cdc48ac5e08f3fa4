"""The community as it stands at one moment: homes, contracts, standing limits and the tariff in force."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median_low

from sqlalchemy import Connection

from app.agents.household import HomeFacts, PriceBounds, StandingLimits, buy_limit, sell_limit
from app.errors import InputError
from app.market_choice import MarketChoice, choice_at
from app.storage.store.community import Community, tariff_json_at, the_community
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    Preference,
    SupplyContract,
    contracts_at,
    metering_points,
    participants,
    preferences_at,
)
from app.storage.store.vat_classes import changed_classes_at
from contracts.allocation import PointTerms
from contracts.island import IslandTerms
from contracts.tariff import Tariff
from matching.rules import MarketRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A metering point with everything the market must know of it. `trades` is False while paused or suspended."""

    point: MeteringPoint
    owner: Participant
    contract: SupplyContract
    preference: Preference
    bounds: PriceBounds

    @property
    def trades(self) -> bool:
        return self.owner.status == "active" and not self.preference.trading_paused

    @property
    def agent_trades(self) -> bool:
        """Whether the agent places orders by itself; one that may only suggest leaves them to its owner."""
        return self.trades and self.preference.autonomy != "suggest"

    @property
    def agent_sells_spare(self) -> bool:
        """Whether the agent may sell what a battery will not need; else only what the owner planned moves a battery."""
        return self.preference.autonomy == "full"

    @property
    def facts(self) -> HomeFacts:
        return HomeFacts(
            participant=self.owner.id,
            metering_point=self.point.id,
            bus=self.point.bus,
            generation_controllable=self.point.generation_controllable,
            battery_w=self.point.battery_w,
            battery_wh=self.point.battery_wh,
        )

    @property
    def limits(self) -> StandingLimits:
        return StandingLimits(
            sell_at_least_micro_per_kwh=self.preference.sell_at_least_micro_per_kwh,
            buy_at_most_micro_per_kwh=self.preference.buy_at_most_micro_per_kwh,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that changes slowly, at one instant. Homes by metering point, in the points' order."""

    community: Community
    market: MarketChoice
    tariff: Tariff
    homes: Mapping[str, Home]

    @property
    def feed_in_price_micro_per_kwh(self) -> int:
        """The community's price of curtailment: the middle of its members' feed-in prices. Raises InputError."""
        return self._middle([home.contract.feed_in_price_micro_per_kwh for home in self.homes.values()])

    @property
    def grid_forming(self) -> Home | None:
        """Where the unit is that forms the grid of an island; None where there is no island.

        Raises InputError where its member has no metering point or no contract at this instant.
        """
        if self.market.island is None:
            return None
        member = self.market.island.grid_forming_member
        found = next((home for home in self.homes.values() if home.owner.id == member), None)
        if found is None:
            raise InputError(f"grid.grid_forming_member: {member} has no metering point with a contract now: add one")
        return found

    @property
    def supplier_price_micro_per_kwh(self) -> int:
        """The middle of its members' supplier prices. Raises InputError."""
        return self._middle([home.contract.supplier_price_micro_per_kwh for home in self.homes.values()])

    def _middle(self, prices: list[int]) -> int:
        if not prices:
            raise InputError("no home has a contract with a supplier now: no round is held until one has")
        return median_low(prices)

    def market_rules(self, *, with_network: bool = False) -> MarketRules:
        """The rules of a round, cleared within a network's limits or not. Raises RuleError where they contradict."""
        unit = self.grid_forming
        return self.market.rules(
            supplier_price=self.supplier_price_micro_per_kwh,
            feed_in_price=self.feed_in_price_micro_per_kwh,
            tie_seed=self.community.tie_seed,
            grid_forming_bus=None if unit is None or not with_network else unit.point.bus,
        )


def community_at(connection: Connection, instant_s: int) -> Snapshot:
    """The community at `instant_s`. Raises InputError naming what is missing: a community, a tariff, a contract."""
    tariff_json = tariff_json_at(connection, instant_s)
    if tariff_json is None:
        raise InputError(f"no tariff is in force at {instant_s}: add one that is valid from then or earlier")
    tariff = Tariff.from_json(json.loads(tariff_json))
    classes = changed_classes_at(connection, instant_s)
    owners = {
        person.id: replace(person, vat_class=classes.get(person.id, person.vat_class))
        for person in participants(connection)
    }
    contracts, wishes = contracts_at(connection, instant_s), preferences_at(connection, instant_s)
    homes = {
        point.id: Home(
            point=point,
            owner=owners[point.participant_id],
            contract=contracts[point.participant_id],
            preference=wishes.get(point.participant_id, Preference(participant_id=point.participant_id)),
            bounds=_bounds(contracts[point.participant_id], tariff),
        )
        for point in metering_points(connection)
        if point.participant_id in contracts
    }
    return Snapshot(
        community=the_community(connection), market=choice_at(connection, instant_s), tariff=tariff, homes=homes
    )


def point_terms(snapshot: Snapshot) -> tuple[PointTerms, ...]:
    """The homes as settlement sees them; who does not trade keeps out of the pool."""
    return tuple(
        PointTerms(
            metering_point=home.point.id,
            participant=home.owner.id,
            supplier_price_micro_per_kwh=home.contract.supplier_price_micro_per_kwh,
            feed_in_price_micro_per_kwh=home.contract.feed_in_price_micro_per_kwh,
            vat_class=home.owner.vat_class,
            buy_at_most_micro_per_kwh=buy_limit(home.limits, home.bounds) if home.trades else None,
            sell_at_least_micro_per_kwh=sell_limit(home.limits, home.bounds) if home.trades else None,
        )
        for home in snapshot.homes.values()
    )


def island_terms(snapshot: Snapshot) -> IslandTerms | None:
    """What an island is settled with; None where members have suppliers."""
    island, unit = snapshot.market.island, snapshot.grid_forming
    if island is None or unit is None:
        return None
    return IslandTerms(
        lost_load_micro_per_kwh=island.lost_load_micro_per_kwh,
        balancing_price_micro_per_kwh=island.balancing_price_micro_per_kwh,
        grid_forming_point=unit.point.id,
    )


def _bounds(contract: SupplyContract, tariff: Tariff) -> PriceBounds:
    supplied = tariff.grid_fee_micro_per_kwh + tariff.levies_micro_per_kwh
    return PriceBounds(
        supplier_price=contract.supplier_price_micro_per_kwh,
        feed_in_price=contract.feed_in_price_micro_per_kwh,
        buyer_charges=tariff.shared_charges_micro_per_kwh - supplied,
    )
