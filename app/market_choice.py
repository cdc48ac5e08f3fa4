"""How a community trades: its mechanism, its price and its keys, as `commonwatt.toml` says it and from when it holds.

A change holds from the first interval whose gate is still open; rounds that were cleared stay as they are, and are
settled by the mechanism they were cleared with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection

from app.community_settings import MemberSettings
from app.storage.store.community import add_market_choice, market_choice_json_at
from contracts.fields import FieldError, Fields
from matching.mechanisms import DEFAULT_MECHANISM
from matching.rules import MarketRules, RuleError


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketChoice:
    """keys_ppm: share of all generation by member, parts per million; empty for equal shares of those who buy."""

    mechanism: str = DEFAULT_MECHANISM
    community_price_micro_per_kwh: int | None = None
    keys_ppm: Mapping[str, int] = field(default_factory=dict)

    def rules(self, *, supplier_price: int, feed_in_price: int, tie_seed: str) -> MarketRules:
        """The rules of a round at these outside prices, micro-units per kWh. Raises RuleError."""
        return MarketRules(
            mechanism=self.mechanism,
            community_price_micro_per_kwh=self.community_price_micro_per_kwh,
            keys_ppm=self.keys_ppm or None,
            supplier_price_micro_per_kwh=supplier_price,
            feed_in_price_micro_per_kwh=feed_in_price,
            tie_seed=tie_seed,
            thin_book_price=True,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "mechanism": self.mechanism,
            "community_price_micro_per_kwh": self.community_price_micro_per_kwh,
            "keys_ppm": dict(self.keys_ppm),
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
    )
    fields.close()
    try:
        choice.rules(supplier_price=0, feed_in_price=0, tie_seed="")
    except RuleError as error:
        raise FieldError(fields.path, str(error)) from error
    return choice


def choice_at(connection: Connection, instant_s: int) -> MarketChoice:
    """What holds at `instant_s`; the double auction before anything was chosen."""
    text = market_choice_json_at(connection, instant_s)
    return MarketChoice() if text is None else MarketChoice(**json.loads(text))


def adopt_choice(connection: Connection, choice: MarketChoice, *, next_s: int) -> list[str]:
    """Store the choice if it is another one, from `next_s` on; what was done."""
    if choice_at(connection, next_s) == choice:
        return []
    add_market_choice(connection, valid_from_s=next_s, choice_json=json.dumps(choice.to_json(), sort_keys=True))
    return [f"the market is {choice.mechanism} from {datetime.fromtimestamp(next_s, UTC):%Y-%m-%d %H:%M} UTC"]
