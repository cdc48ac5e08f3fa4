"""What a clearing publishes: the outcome of every order, and the document that explains and proves it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from grid.limits import LimitKind, OperatingPoint
from grid.three_phase import PhaseCheck
from matching.auction import PriceInterval
from matching.book import IntArray, OrderBook, blocks
from matching.certificate import Certificate, CertifiedRow, rounded
from matching.island.outcome import IslandOutcome
from matching.lines import decimals, lines, ranked, texts
from matching.orders import Trade
from matching.preferences.classes import members_without_orders
from matching.preferences.outcome import AttributeOutcome
from matching.rules import MarketRules


class Status(StrEnum):
    """Traffic light of an interval.

    GREEN  with everything firm and curtailable flowing the limits are kept, and nothing was curtailed; flexible orders
           may have been limited by the network (then `binding` says where)
    AMBER  the limits are kept by accepted flexible energy or by curtailment, or, with a mechanism that does not
           optimise, by leaving all flexible energy out; or they are kept, but a single phase passes one (`phases`)
    RED    the limits cannot be kept: no flexible order was accepted, curtailment did what it could

    On an island: GREEN all firm demand is served and nothing is curtailed; AMBER all firm demand is served; RED firm
    demand is shed.
    """

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A limit at which the result rests, or one it passes (red).

    limit, value  p.u. or percent
    shadow_price  nano-units of welfare per p.u. or per percent of more room; zero where the limit only decided who of
                  equally good orders is accepted, or where energy stayed out or the limit is passed
    """

    kind: LimitKind
    element: int
    name: str
    limit: float
    value: float
    shadow_price: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clearing:
    """The published result of one book.

    accepted_wh, curtailed_wh, price_micro_per_kwh, amount_nano  [n_order] in book order; an order's price is
                     meaningful where something was accepted; where the mechanism averages prices it is floored, and the
                     amount is what counts
    clearing_price   None where nothing was accepted; prices is the interval it was taken from
    supplier_pays    for what it takes, less what it receives for what it delivers
    congestion_rent  paid by buyers less received by sellers, the supplier included on both sides
    point            state of the network as the judge saw it; None without a network or where no state exists
    seconds          measured, and the only part that differs between two runs
    attributes       prices by class and who is filled from where, if energy has attributes or grid fees
    phases           what a look at single phases found, where somebody looked
    island           what was shed, spilled and lost, if there is no supplier
    """

    book: OrderBook
    rules: MarketRules
    interval_minutes: int
    status: Status
    accepted_wh: IntArray
    curtailed_wh: IntArray
    price_micro_per_kwh: IntArray
    amount_nano: IntArray
    clearing_price_micro_per_kwh: int | None
    prices: PriceInterval | None
    traded_wh: int
    supplier_import_wh: int
    supplier_export_wh: int
    supplier_pays_nano: int
    loss_wh: int
    welfare_nano: int
    congestion_rent_nano: int
    binding: tuple[Binding, ...]
    point: OperatingPoint | None
    iterations: int
    certificate: Certificate
    solver: str
    power_flow: str | None
    checked_by: str | None
    seconds: Mapping[str, float]
    attributes: AttributeOutcome | None = None
    island: IslandOutcome | None = None
    phases: PhaseCheck | None = None

    def with_phases(self, phases: PhaseCheck) -> "Clearing":
        """The same result after a look at single phases: no longer green if one passes a limit or has no state."""
        unsafe = bool(phases.violations or phases.diverged)
        status = Status.AMBER if unsafe and self.status is Status.GREEN else self.status
        return replace(self, phases=phases, status=status)

    def trades(self) -> tuple[Trade, ...]:
        """Outcome of every order, in book order."""
        return tuple(self._trades())

    def document(self) -> dict[str, object]:
        """Everything but the trades, ready for JSON; deterministic but for the key `seconds`."""
        preferences: dict[str, object] = {}
        if self.attributes is not None:
            fees = self.rules.grid_fees
            table = None if fees is None else [list(pair) for pair in fees.by_zones]
            preferences["preferences"] = {
                **self.attributes.document(),
                "members_without_orders": list(members_without_orders(self.book)),
                "grid_fees": table,
            }
        island = {} if self.island is None else {"island": self.island.document()}
        phases = {} if self.phases is None else {"phases": self.phases.document()}
        outcome: dict[str, object] = {**self._outcome_document(), **island, **preferences}
        return {**outcome, **self._proof_document(), **phases, "seconds": dict(self.seconds)}

    def digest(self) -> str:
        """SHA-256 (hex) over the document without `seconds` and all trades in the order of their ids."""
        document = self.document()
        del document["seconds"]
        hasher = hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
        ranks = ranked(self.book.order_ids)
        for part in blocks(len(self.book)):
            at = ranks[part]
            accepted = self.accepted_wh[at]
            columns = (
                texts(self.book.order_ids[at]),
                decimals(accepted),
                decimals(self.curtailed_wh[at]),
                decimals(self.price_micro_per_kwh[at], shown=accepted > 0),
                decimals(self.amount_nano[at]),
            )
            hasher.update(lines(*columns))
        return hasher.hexdigest()

    def _trades(self) -> Iterator[Trade]:
        columns = (self.accepted_wh, self.curtailed_wh, self.price_micro_per_kwh, self.amount_nano)
        rows = zip(self.book.order_ids.tolist(), *(column.tolist() for column in columns), strict=True)
        for order_id, accepted, curtailed, price, amount in rows:
            yield Trade(
                order_id=order_id.decode(),
                accepted_wh=accepted,
                curtailed_wh=curtailed,
                price_micro_per_kwh=price if accepted else None,
                amount_nano=amount,
            )

    def _outcome_document(self) -> dict[str, object]:
        interval = self.prices
        return {
            "mechanism": self.rules.mechanism,
            "status": self.status.value,
            "interval_minutes": self.interval_minutes,
            "orders": len(self.book),
            "book_digest": self.book.digest(),
            "clearing_price_micro_per_kwh": self.clearing_price_micro_per_kwh,
            "supporting_prices_micro_per_kwh": None
            if interval is None
            else [rounded(interval.lower_micro_per_kwh), rounded(interval.upper_micro_per_kwh)],
            "traded_wh": self.traded_wh,
            "supplier_import_wh": self.supplier_import_wh,
            "supplier_export_wh": self.supplier_export_wh,
            "curtailed_wh": int(self.curtailed_wh.sum()),
            "loss_wh": self.loss_wh,
            "welfare_nano": self.welfare_nano,
            "congestion_rent_nano": self.congestion_rent_nano,
        }

    def _proof_document(self) -> dict[str, object]:
        return {
            "binding": [_binding_document(binding) for binding in self.binding],
            "ac": None if self.point is None else _ac_document(self.point, self.iterations),
            "certificate": {
                "price_micro_per_kwh": rounded(self.certificate.price_micro_per_kwh),
                "dual_welfare_nano": self.certificate.dual_welfare_nano,
                "gap_relative": rounded(self.certificate.gap_relative),
                "rows": [_row_document(row) for row in self.certificate.rows],
                **self._class_prices(),
            },
            "rules": {
                "k": self.rules.k,
                "losses": self.rules.losses,
                "supplier_bids": self.rules.supplier_bids,
                "supplier_price_micro_per_kwh": self.rules.supplier_price_micro_per_kwh,
                "feed_in_price_micro_per_kwh": self.rules.feed_in_price_micro_per_kwh,
                "thin_book_price": self.rules.thin_book_price,
                "community_price_micro_per_kwh": self.rules.community_price_micro_per_kwh,
                "keys_ppm": None if self.rules.keys_ppm is None else dict(self.rules.keys_ppm),
                "tie_seed": self.rules.tie_seed,
            },
            "solver": self.solver,
            "power_flow": self.power_flow,
            "checked_by": self.checked_by,
        }

    def _class_prices(self) -> dict[str, object]:
        """What the certificate says where energy has premiums or fees: null where the prices that are paid prove it."""
        prices = self.certificate.class_prices
        if self.attributes is None:
            return {}
        return {
            "class_prices": None
            if prices is None
            else {
                "seller_nano_per_kwh": list(prices.seller_nano_per_kwh),
                "buyer_nano_per_kwh": list(prices.buyer_nano_per_kwh),
            }
        }


def _binding_document(binding: Binding) -> dict[str, object]:
    return {
        "kind": binding.kind.value,
        "element": binding.element,
        "name": binding.name,
        "limit": binding.limit,
        "value": round(binding.value, 8),
        "shadow_price": rounded(binding.shadow_price),
    }


def _row_document(row: CertifiedRow) -> dict[str, object]:
    return {
        "kind": row.kind.value,
        "element": row.element,
        "shadow_price": row.shadow_price,
        "room": row.room,
        "tells_apart": row.tells_apart,
        "effect_per_wh": {str(bus): effect for bus, effect in row.effect_per_wh.items()},
    }


def _ac_document(point: OperatingPoint, iterations: int) -> dict[str, object]:
    return {
        "min_vm_pu": round(float(point.vm_pu.min()), 8),
        "max_vm_pu": round(float(point.vm_pu.max()), 8),
        "max_line_loading_percent": round(float(point.line_loading_percent.max(initial=0.0)), 6),
        "max_trafo_loading_percent": round(float(point.trafo_loading_percent.max(initial=0.0)), 6),
        "iterations": iterations,
    }
