"""What clearing.json claims where energy has premiums or grid fees: prices by class, flows, and the table of fees."""

from dataclasses import dataclass

from matching.recheck.fields import Fields, Unreadable

FEE_MAX_MICRO_PER_KWH = 10**10


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassClaim:
    """A class of sellers with its price or of buyers with its worth; None where nothing was accepted at all.

    above_plain  of sellers: what the price is above that of energy without attributes
    supporting   the lowest and the highest figure that support the result
    """

    name: str
    accepted_wh: int
    price: int | None
    above_plain: int | None
    supporting: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowClaim:
    """Energy from a class of sellers to one of buyers, and what a kWh of it earns and costs beside the price."""

    start: str
    end: str
    wh: int
    premium: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceClaims:
    """fees by the seller's and the buyer's zone; None where energy travels for nothing.

    absent  members whom a premium names and who have no order
    """

    premium_welfare_nano: int
    grid_fee_nano: int
    flexible_left_out: bool
    split_buy_orders: int
    split_sell_orders: int
    sellers: tuple[ClassClaim, ...]
    buyers: tuple[ClassClaim, ...]
    flows: tuple[FlowClaim, ...]
    absent: tuple[str, ...]
    fees: dict[tuple[str, str], int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedPrices:
    """What the bound is made of where rows limit: nano-units per kWh of each class, in the order they are listed in."""

    sellers: tuple[int, ...]
    buyers: tuple[int, ...]


def certified_prices_of(fields: Fields) -> CertifiedPrices | None:
    """The member `class_prices` of the certificate; None where the prices that are paid prove the result."""
    if not fields.has("class_prices"):
        return None
    inner = fields.inner("class_prices")
    prices = CertifiedPrices(sellers=inner.integers("seller_nano_per_kwh"), buyers=inner.integers("buyer_nano_per_kwh"))
    inner.done()
    return prices


def preferences_of(fields: Fields) -> PreferenceClaims:
    """The object `preferences`. Raises Unreadable."""
    claims = PreferenceClaims(
        premium_welfare_nano=fields.integer("premium_welfare_nano"),
        grid_fee_nano=fields.integer("grid_fee_nano"),
        flexible_left_out=fields.truth("flexible_left_out"),
        split_buy_orders=fields.integer("split_buy_orders"),
        split_sell_orders=fields.integer("split_sell_orders"),
        sellers=tuple(_class(Fields(*item), "price", "prices") for item in fields.items("seller_classes")),
        buyers=tuple(_class(Fields(*item), "worth", "worths") for item in fields.items("buyer_classes")),
        flows=tuple(_flow(Fields(*item)) for item in fields.items("flows")),
        absent=fields.texts("members_without_orders"),
        fees=_fees(fields) if fields.has("grid_fees") else None,
    )
    fields.done()
    return claims


def _class(fields: Fields, kind: str, kinds: str) -> ClassClaim:
    price, above = f"{kind}_micro_per_kwh", "attribute_price_micro_per_kwh"
    claim = ClassClaim(
        name=fields.text("class"),
        accepted_wh=fields.integer("accepted_wh"),
        price=fields.integer(price) if fields.has(price) else None,
        above_plain=fields.integer(above) if kind == "price" and fields.has(above) else None,
        supporting=_supporting(fields, f"supporting_{kinds}_micro_per_kwh"),
    )
    fields.done()
    return claim


def _supporting(fields: Fields, key: str) -> tuple[int, int] | None:
    if not fields.has(key):
        return None
    ends = fields.integers(key)
    if len(ends) != len(("lowest", "highest")):
        raise Unreadable(f"clearing.json: {key!r} has not two ends; publish the result again")
    return ends[0], ends[1]


def _flow(fields: Fields) -> FlowClaim:
    flow = FlowClaim(
        start=fields.text("from"),
        end=fields.text("to"),
        wh=fields.integer("wh"),
        premium=fields.integer("premium_micro_per_kwh"),
        fee=fields.integer("fee_micro_per_kwh"),
    )
    fields.done()
    return flow


def _fees(fields: Fields) -> dict[tuple[str, str], int]:
    fees: dict[tuple[str, str], int] = {}
    for line, place in fields.items("grid_fees"):
        cells = line if isinstance(line, list) and len(line) == len(("from", "to", "fee")) else [None] * 3
        fee = Fields(dict(zip(("from", "to", "fee"), cells, strict=True)), place)
        pair = fee.text("from"), fee.text("to")
        if pair in fees:
            raise Unreadable(
                f"{place}: a fee from {pair[0]!r} to {pair[1]!r} is there already; publish the result again"
            )
        fees[pair] = fee.integer("fee")
        if not 0 <= fees[pair] <= FEE_MAX_MICRO_PER_KWH:
            raise Unreadable(f"{place}: a fee of {fees[pair]} is beyond what a fee can be; publish the result again")
    return fees
