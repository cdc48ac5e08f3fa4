"""How a community trades, as `commonwatt.toml` says it, and from when it holds: mechanism, price, keys, and the grid.

A change holds from the first interval whose gate is still open; rounds that were cleared stay as they are, and are
settled by the mechanism they were cleared with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Connection

from app.community_settings import MemberSettings
from app.island_choice import IslandChoice, island_from
from app.storage.store.community import add_market_choice, market_choice_json_at
from contracts.fields import FieldError, Fields
from matching.island.rules import Island
from matching.mechanisms import DEFAULT_MECHANISM
from matching.rules import MarketRules, RuleError


class Timing(StrEnum):
    """EX_ANTE: orders before delivery; EX_POST: orders are what was metered, made after delivery."""

    EX_ANTE = "ex_ante"
    EX_POST = "ex_post"


class Authority(StrEnum):
    """Who decides quantities: the platform's market, or the operator of the grid, whose figures only get a price."""

    PLATFORM = "platform"
    OPERATOR_OF_GRID = "operator_of_grid"


PRICES_GIVEN_QUANTITIES = "dynamic_key"
"""Pro rata at the community's price: of quantities that balance it accepts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketChoice:
    """How energy is shared.

    keys_ppm                  share of all generation by member, parts per million; empty for equal shares of buyers
    island                    of a community where nobody has a supplier; None where members have one
    credit_limit_percent      how far a member may owe before orders are refused, of the mean monthly bill
    first_credit_limit_cents  the same before there is a bill
    """

    mechanism: str = DEFAULT_MECHANISM
    community_price_micro_per_kwh: int | None = None
    keys_ppm: Mapping[str, int] = field(default_factory=dict)
    island: IslandChoice | None = None
    timing: str = Timing.EX_ANTE
    authority: str = Authority.PLATFORM
    credit_limit_percent: int = 200
    first_credit_limit_cents: int = 20_000

    @property
    def shares_after_delivery(self) -> bool:
        return self.timing == Timing.EX_POST

    @property
    def takes_given_quantities(self) -> bool:
        return self.authority == Authority.OPERATOR_OF_GRID

    def rules(
        self, *, supplier_price: int, feed_in_price: int, tie_seed: str, grid_forming_bus: int | None = None
    ) -> MarketRules:
        """The rules of a round at these outside prices, micro-units per kWh. Raises RuleError.

        `grid_forming_bus` is where an island's unit is; None without a network.
        """
        self._check()
        island = None
        if self.island is not None:
            island = Island(
                lost_load_micro_per_kwh=self.island.lost_load_micro_per_kwh, grid_forming_bus=grid_forming_bus
            )
        return MarketRules(
            mechanism=self.mechanism,
            community_price_micro_per_kwh=self.community_price_micro_per_kwh,
            keys_ppm=self.keys_ppm or None,
            supplier_price_micro_per_kwh=supplier_price,
            feed_in_price_micro_per_kwh=feed_in_price,
            tie_seed=tie_seed,
            thin_book_price=island is None,
            losses="grid" if grid_forming_bus is None else "market",
            island=island,
        )

    def _check(self) -> None:
        for name, value, known in (("timing", self.timing, Timing), ("authority", self.authority, Authority)):
            if value not in set(known):
                raise RuleError(f"{name} {value!r} does not exist; choose from {', '.join(known)}")
        if self.island is not None and self.shares_after_delivery:
            raise RuleError(f"on an island who gets what is decided before delivery: leave timing at {Timing.EX_ANTE}")
        if not self.takes_given_quantities:
            return
        if not self.shares_after_delivery:
            raise RuleError(f"the operator of the grid knows quantities after delivery: set timing to {Timing.EX_POST}")
        if self.mechanism != PRICES_GIVEN_QUANTITIES:
            raise RuleError(
                f"quantities of the operator of the grid only get a price: set mechanism to {PRICES_GIVEN_QUANTITIES}"
            )

    def to_json(self) -> dict[str, object]:
        return {
            "mechanism": self.mechanism,
            "community_price_micro_per_kwh": self.community_price_micro_per_kwh,
            "keys_ppm": dict(self.keys_ppm),
            "timing": self.timing,
            "authority": self.authority,
            "credit_limit_percent": self.credit_limit_percent,
            "first_credit_limit_cents": self.first_credit_limit_cents,
            **({} if self.island is None else {"island": self.island.to_json()}),
        }


def choice_from(fields: Fields, members: Sequence[MemberSettings]) -> MarketChoice:
    """Read the section [market]. Raises FieldError naming the key."""
    keys = fields.fields("keys_ppm") if fields.has("keys_ppm") else Fields({}, fields.at("keys_ppm"))
    known = {member.id for member in members}
    for name in keys.names():
        if name not in known:
            raise FieldError(keys.at(name), "is no member: use the id of one")
    price = "community_price_micro_per_kwh"
    choice = MarketChoice(
        mechanism=fields.text("mechanism") if fields.has("mechanism") else DEFAULT_MECHANISM,
        community_price_micro_per_kwh=fields.integer(price) if fields.has(price) else None,
        keys_ppm={name: keys.integer(name, least=0) for name in keys.names()},
        timing=fields.text("timing") if fields.has("timing") else Timing.EX_ANTE,
        authority=fields.text("authority") if fields.has("authority") else Authority.PLATFORM,
        credit_limit_percent=_bounded(fields, "credit_limit_percent", 200, most=10_000),
        first_credit_limit_cents=_bounded(fields, "first_credit_limit_cents", 20_000, most=10**9),
    )
    fields.close()
    _require_rules(choice, fields.path)
    return choice


def on_grid(choice: MarketChoice, fields: Fields, members: Sequence[MemberSettings]) -> MarketChoice:
    """The choice on the grid that the section [grid] describes. Raises FieldError naming the key."""
    islanded = replace(choice, island=island_from(fields, members))
    _require_rules(islanded, fields.path)
    return islanded


def _require_rules(choice: MarketChoice, path: str) -> None:
    try:
        choice.rules(supplier_price=0, feed_in_price=0, tie_seed="")
    except RuleError as error:
        raise FieldError(path, str(error)) from error


def _bounded(fields: Fields, key: str, default: int, *, most: int) -> int:
    return fields.integer(key, least=0, most=most) if fields.has(key) else default


def choice_at(connection: Connection, instant_s: int) -> MarketChoice:
    """What holds at `instant_s`; the double auction before anything was chosen."""
    text = market_choice_json_at(connection, instant_s)
    if text is None:
        return MarketChoice()
    values = json.loads(text)
    island = values.pop("island", None)
    return MarketChoice(**values, island=None if island is None else IslandChoice(**island))


def adopt_choice(connection: Connection, choice: MarketChoice, *, next_s: int) -> list[str]:
    """Store the choice if it is another one, from `next_s` on; what was done."""
    if choice_at(connection, next_s) == choice:
        return []
    add_market_choice(connection, valid_from_s=next_s, choice_json=json.dumps(choice.to_json(), sort_keys=True))
    where = "" if choice.island is None else " on an island"
    where += ", shared after delivery" if choice.shares_after_delivery else ""
    where += ", quantities from the operator of the grid" if choice.takes_given_quantities else ""
    return [f"the market is {choice.mechanism}{where} from {datetime.fromtimestamp(next_s, UTC):%Y-%m-%d %H:%M} UTC"]
