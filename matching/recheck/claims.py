"""What clearing.json claims about the whole, as nouns; read so that nothing is passed whose meaning is not known."""

from collections.abc import Mapping
from dataclasses import dataclass

from matching.recheck.fields import Fields, Unreadable
from matching.recheck.island_claims import IslandClaim, island_of
from matching.recheck.preference_claims import CertifiedPrices, PreferenceClaims, certified_prices_of, preferences_of

KINDS = ("voltage_high", "voltage_low", "line_loading", "trafo_loading")
STATUSES = ("green", "amber", "red")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """What a way to trade promises.

    name            as clearing.json has it; its rule is in `mechanisms.py`
    most_welfare    no outcome has more; where the network limits, prices differ by bus
    uniform_price   every firm and curtailable order has the clearing price
    average_prices  amounts count, the price of an order is their floored average
    supplier_joins  a supplier that bids takes part
    balances_money  buyers and sellers, the supplier included, pay and receive the same
    """

    name: str
    most_welfare: bool = False
    uniform_price: bool = False
    average_prices: bool = False
    supplier_joins: bool = False
    balances_money: bool = True


MECHANISMS: Mapping[str, Mechanism] = {
    one.name: one
    for one in (
        Mechanism(
            name="k_double_auction", most_welfare=True, uniform_price=True, supplier_joins=True, balances_money=False
        ),
        Mechanism(name="mid_market_rate", average_prices=True, supplier_joins=True),
        Mechanism(name="fixed_price", uniform_price=True),
        Mechanism(name="static_key", uniform_price=True),
        Mechanism(name="dynamic_key", uniform_price=True),
        Mechanism(name="pay_as_bid", average_prices=True, supplier_joins=True),
        Mechanism(name="mcafee", balances_money=False),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Prices in micro-units per kWh; None where a price is not known. keys_ppm by participant, parts per million."""

    k: float
    losses: str
    supplier_bids: bool
    supplier_price: int | None
    feed_in_price: int | None
    thin_book_price: bool
    community_price: int | None
    keys_ppm: Mapping[str, int] | None
    tie_seed: str

    @property
    def sells_at(self) -> int | None:
        """The price at which the supplier sells without bound; None if it does not."""
        return self.supplier_price if self.supplier_bids else None

    @property
    def buys_at(self) -> int | None:
        """The price at which the supplier buys without bound; None if it does not."""
        return self.feed_in_price if self.supplier_bids else None

    @property
    def curtailment_price(self) -> int:
        """What a curtailed Wh costs: the feed-in price, never below zero."""
        return max(0, self.feed_in_price or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit at which the result rests, or one it passes (red)."""

    kind: str
    element: int
    name: str
    limit: float
    value: float
    shadow_price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A limit in the energy of the interval: sum over buses of effect * moved Wh <= room."""

    kind: str
    element: int
    shadow_price: float
    room: float
    tells_apart: bool
    effect_per_wh: Mapping[int, float]

    def __str__(self) -> str:
        return f"row {self.kind} {self.element}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """price in micro-units per kWh, not necessarily on the tick; class_prices with premiums or fees within rows."""

    price: float
    dual_welfare_nano: int
    gap_relative: float
    rows: tuple[Row, ...]
    class_prices: CertifiedPrices | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcFigures:
    """The extremes of the AC power flow."""

    min_vm_pu: float
    max_vm_pu: float
    max_line_loading_percent: float
    max_trafo_loading_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInput:
    """Which network, with which limits. Its `source` alone suffices for a SimBench code; `file` is in the folder."""

    source: str
    file: str | None
    digest: str
    v_min_pu: float
    v_max_pu: float
    max_loading_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """clearing.json. Energies in Wh, prices in micro-units per kWh, money in nano-units."""

    mechanism: Mechanism
    status: str
    interval_minutes: int
    orders: int
    book_digest: str
    clearing_price: int | None
    supporting_prices: tuple[float, float] | None
    traded_wh: int
    supplier_import_wh: int
    supplier_export_wh: int
    curtailed_wh: int
    loss_wh: int
    welfare_nano: int
    congestion_rent_nano: int
    binding: tuple[Binding, ...]
    ac: AcFigures | None
    certificate: Certificate
    rules: Rules
    preferences: PreferenceClaims | None
    island: IslandClaim | None
    network: NetworkInput | None
    baseline_sha256: str | None


def claims_of(document: object) -> Claims:
    """The claims of clearing.json. Raises Unreadable for what is missing, malformed or unknown to this version."""
    top = Fields(document, "clearing.json")
    mechanism = top.one_of("mechanism", tuple(MECHANISMS))
    for told in ("seconds", "solver", "power_flow", "checked_by"):  # how it was made: nothing rests on it
        top.take(told)
    inputs = top.inner("inputs")
    has_preferences = isinstance(document, Mapping) and "preferences" in document
    has_island = isinstance(document, Mapping) and "island" in document
    has_prices = top.has("supporting_prices_micro_per_kwh")
    claims = Claims(
        mechanism=MECHANISMS[mechanism],
        status=top.one_of("status", STATUSES),
        interval_minutes=top.integer("interval_minutes"),
        orders=top.integer("orders"),
        book_digest=top.text("book_digest"),
        clearing_price=_integer_or_none(top, "clearing_price_micro_per_kwh"),
        supporting_prices=_interval(top) if has_prices else None,
        traded_wh=top.integer("traded_wh"),
        supplier_import_wh=top.integer("supplier_import_wh"),
        supplier_export_wh=top.integer("supplier_export_wh"),
        curtailed_wh=top.integer("curtailed_wh"),
        loss_wh=top.integer("loss_wh"),
        welfare_nano=top.integer("welfare_nano"),
        congestion_rent_nano=top.integer("congestion_rent_nano"),
        binding=tuple(_binding(Fields(*item)) for item in top.items("binding")),
        ac=_ac(top.inner("ac")) if top.has("ac") else None,
        certificate=_certificate(top.inner("certificate"), with_classes=has_preferences),
        rules=_rules(top.inner("rules"), MECHANISMS[mechanism]),
        preferences=preferences_of(top.inner("preferences")) if has_preferences else None,
        island=island_of(top.inner("island")) if has_island else None,
        network=_network(inputs.inner("network")) if inputs.has("network") else None,
        baseline_sha256=inputs.text("baseline_sha256") if inputs.has("baseline_sha256") else None,
    )
    inputs.done()
    top.done()
    if not 0 < claims.interval_minutes <= 60:
        raise Unreadable("clearing.json: 'interval_minutes' is not between 1 and 60; have the result published again")
    return claims


def _integer_or_none(fields: Fields, key: str) -> int | None:
    return fields.integer(key) if fields.has(key) else None


def _interval(top: Fields) -> tuple[float, float]:
    ends = [Fields({"end": end}, place).number("end") for end, place in top.items("supporting_prices_micro_per_kwh")]
    if len(ends) != 2:
        raise Unreadable("clearing.json: 'supporting_prices_micro_per_kwh' has not two ends; publish the result again")
    return ends[0], ends[1]


def _binding(fields: Fields) -> Binding:
    binding = Binding(
        kind=fields.one_of("kind", KINDS),
        element=fields.integer("element"),
        name=fields.text("name"),
        limit=fields.number("limit"),
        value=fields.number("value"),
        shadow_price=fields.number("shadow_price"),
    )
    fields.done()
    return binding


def _ac(fields: Fields) -> AcFigures:
    fields.take("iterations")
    figures = AcFigures(
        min_vm_pu=fields.number("min_vm_pu"),
        max_vm_pu=fields.number("max_vm_pu"),
        max_line_loading_percent=fields.number("max_line_loading_percent"),
        max_trafo_loading_percent=fields.number("max_trafo_loading_percent"),
    )
    fields.done()
    return figures


def _certificate(fields: Fields, *, with_classes: bool) -> Certificate:
    certificate = Certificate(
        price=fields.number("price_micro_per_kwh"),
        dual_welfare_nano=fields.integer("dual_welfare_nano"),
        gap_relative=fields.number("gap_relative"),
        rows=tuple(_row(Fields(*item)) for item in fields.items("rows")),
        class_prices=certified_prices_of(fields) if with_classes else None,
    )
    fields.done()
    return certificate


def _row(fields: Fields) -> Row:
    row = Row(
        kind=fields.one_of("kind", KINDS),
        element=fields.integer("element"),
        shadow_price=fields.number("shadow_price"),
        room=fields.number("room"),
        tells_apart=fields.truth("tells_apart"),
        effect_per_wh=fields.numbers_by_index("effect_per_wh"),
    )
    fields.done()
    return row


def _rules(fields: Fields, mechanism: Mechanism) -> Rules:
    rules = Rules(
        k=fields.number("k"),
        losses=fields.one_of("losses", ("grid", "market")),
        supplier_bids=fields.truth("supplier_bids") and mechanism.supplier_joins,
        supplier_price=_integer_or_none(fields, "supplier_price_micro_per_kwh"),
        feed_in_price=_integer_or_none(fields, "feed_in_price_micro_per_kwh"),
        thin_book_price=fields.truth("thin_book_price"),
        community_price=_integer_or_none(fields, "community_price_micro_per_kwh"),
        keys_ppm=fields.integers_by_name("keys_ppm") if fields.has("keys_ppm") else None,
        tie_seed=fields.text("tie_seed"),
    )
    fields.done()
    return rules


def _network(fields: Fields) -> NetworkInput:
    network = NetworkInput(
        source=fields.text("source"),
        file=fields.text("file") if fields.has("file") else None,
        digest=fields.text("digest"),
        v_min_pu=fields.number("v_min_pu"),
        v_max_pu=fields.number("v_max_pu"),
        max_loading_percent=fields.number("max_loading_percent"),
    )
    fields.done()
    return network
