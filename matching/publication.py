"""From a decided outcome to the published result: prices, amounts, certificate, and the invariants asserted."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata

import numpy as np

from grid.limits import FloatArray, LimitKind, Violation
from matching.auction import PriceInterval
from matching.book import IntArray
from matching.bound_result import BoundResult
from matching.certificate import (
    Certificate,
    bought_and_sold,
    certified_rows,
    each_rounded,
    network_certificate,
    plain_certificate,
    rounded,
)
from matching.decision import Decision
from matching.injections import Feeder
from matching.invariants import assert_invariants
from matching.mechanisms.interface import Match, Payments
from matching.mechanisms.k_double_auction import KDoubleAuction, price_rule
from matching.optimiser import limits_welfare
from matching.preferences.proof import class_certificate, class_network_certificate
from matching.price_rule import floor_to_tick
from matching.pricing import dual_prices, trader_prices
from matching.result import Binding, Clearing
from matching.rules import Terms
from matching.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prices:
    """What everybody pays; supporting prices; for the certificate a price, [n_row] shadow prices, [n_class] adders."""

    payments: Payments
    interval: PriceInterval | None
    exact: float
    shadow_price: FloatArray
    class_adder: FloatArray


def publish(decision: Decision, terms: Terms, stopwatch: Stopwatch, feeder: Feeder | None = None) -> Clearing:
    """The result as it is published. Raises AssertionError rather than publish what breaks an invariant."""
    with stopwatch.measuring("solve"):
        prices = _prices(decision, terms)
        welfare = _welfare(decision, terms)
        certificate = _certificate(decision, terms, prices, welfare, feeder)
    with stopwatch.measuring("power_flow"):
        binding = () if feeder is None else _binding(decision, certificate, feeder)
    outcome, payments, is_sell = decision.outcome, prices.payments, terms.book.is_sell
    clearing = Clearing(
        book=terms.book,
        rules=terms.rules,
        interval_minutes=terms.interval_minutes,
        status=decision.status,
        accepted_wh=outcome.accepted_wh,
        curtailed_wh=outcome.curtailed_wh,
        price_micro_per_kwh=payments.price_micro_per_kwh,
        amount_nano=payments.amount_nano,
        clearing_price_micro_per_kwh=payments.clearing_price_micro_per_kwh,
        prices=prices.interval,
        traded_wh=min(bought_and_sold(outcome.accepted_wh, is_sell)),
        supplier_import_wh=outcome.supplier_import_wh,
        supplier_export_wh=outcome.supplier_export_wh,
        supplier_pays_nano=payments.supplier_pays_nano,
        loss_wh=decision.loss_wh,
        welfare_nano=welfare,
        congestion_rent_nano=_rent(payments, terms),
        binding=binding,
        point=decision.judged,
        iterations=decision.rounds,
        certificate=certificate,
        solver=_solver(decision, terms),
        power_flow=None if feeder is None else f"{type(feeder.limits).__module__}.{type(feeder.limits).__qualname__}",
        checked_by=None if feeder is None else f"pandapower.runpp {_version('pandapower')}",
        seconds={},
        attributes=decision.attributes,
    )
    with stopwatch.measuring("solve"):
        assert_invariants(clearing)
    return replace(clearing, seconds=dict(stopwatch.seconds))


def _prices(decision: Decision, terms: Terms) -> _Prices:
    if decision.bound is not None and decision.by_class is None:
        return _prices_within_rows(decision, decision.bound, terms)
    assert decision.match is not None, "a result without rows is that of the mechanism"
    by_class = decision.by_class
    return _Prices(
        payments=decision.match.payments,
        interval=decision.match.prices,
        exact=0.0 if decision.attributes is not None else _bounding_price(decision, terms, decision.match),
        shadow_price=np.zeros(0) if by_class is None else by_class.shadow_price,
        class_adder=np.zeros(0) if by_class is None else by_class.class_adder,
    )


def _prices_within_rows(decision: Decision, bound: BoundResult, terms: Terms) -> _Prices:
    """Prices that support the optimum: uniform but for the locational adders of flexible orders."""
    book, outcome, cells = terms.book, decision.outcome, bound.problem.cells
    duals = dual_prices(
        bound.problem, bound.solution, price_rule(terms.tradable(decision.tradable_wh), outcome.accepted_wh)
    )
    shadow, exact = each_rounded(duals.shadow_price), rounded(duals.price_micro_per_kwh)
    priced = np.flatnonzero(shadow)
    class_adder = shadow[priced] @ each_rounded(cells.class_effect[priced])
    cleared = bool(outcome.accepted_wh.any()) or decision.loss_wh > 0
    uniform = floor_to_tick(exact) if cleared else 0
    # The orders of a cell have one limit, so they have one price.
    price = trader_prices(
        uniform_micro_per_kwh=uniform,
        adder_micro_per_kwh=class_adder[cells.moved_class],
        is_sell=cells.is_sell,
        limit_micro_per_kwh=cells.price_micro_per_kwh,
        lowest_micro_per_kwh=min(0, int(book.limit_micro_per_kwh.min(initial=0))),
    )[cells.of_order]
    paid = price * (outcome.accepted_wh > 0)
    return _Prices(
        payments=Payments(
            price_micro_per_kwh=paid,
            amount_nano=outcome.accepted_wh * paid,
            clearing_price_micro_per_kwh=uniform if cleared else None,
            supplier_pays_nano=uniform * (outcome.supplier_export_wh - outcome.supplier_import_wh),
        ),
        interval=duals.prices if cleared else None,
        exact=exact,
        shadow_price=shadow,
        class_adder=class_adder,
    )


def _bounding_price(decision: Decision, terms: Terms, match: Match) -> int:
    """A uniform price that supports the most welfare there could be: at this one the certificate's bound is least."""
    quantity_wh = decision.tradable_wh
    if not terms.mechanism.properties.optimal:
        quantity_wh = terms.book.quantity_wh
        match = KDoubleAuction().match(terms.tradable(quantity_wh))
    price = match.payments.clearing_price_micro_per_kwh
    return _idle_price(quantity_wh, terms) if price is None else price


def _idle_price(quantity_wh: IntArray, terms: Terms) -> int:
    """A price at which nobody wants to trade, for the certificate of a book in which nobody does."""
    book, supplier = terms.book, terms.rules.supplier
    open_buys = book.limit_micro_per_kwh[~book.is_sell & (quantity_wh > 0)]
    open_sells = book.limit_micro_per_kwh[book.is_sell & (quantity_wh > 0)]
    bids = [*open_buys.tolist(), supplier.buys_at_micro_per_kwh]
    offers = [*open_sells.tolist(), supplier.sells_at_micro_per_kwh]
    highest = max((bid for bid in bids if bid is not None), default=None)
    lowest = min((offer for offer in offers if offer is not None), default=0)
    return int(lowest if highest is None else highest)


def _welfare(decision: Decision, terms: Terms) -> int:
    attributes = decision.attributes
    by_attributes = 0 if attributes is None else attributes.premium_nano - attributes.grid_fee_nano
    return by_attributes + limits_welfare(terms, decision.outcome)


def _certificate(decision: Decision, terms: Terms, prices: _Prices, welfare: int, feeder: Feeder | None) -> Certificate:
    curtailment_price, bound = terms.rules.curtailment_price_micro_per_kwh, decision.bound
    if bound is not None and feeder is not None:
        rows = certified_rows(
            bound.rows,
            bound.owners,
            shadow_price=prices.shadow_price,
            apart=bound.apart,
            buses=feeder.limits.buses,
            movable_wh=feeder.movable_wh,
        )
        if decision.by_class is not None:
            return class_network_certificate(
                decision.by_class,
                bound.problem,
                rows=rows,
                price_micro_per_kwh=prices.payments.clearing_price_micro_per_kwh or 0,
                welfare=welfare,
            )
        return network_certificate(
            cells=bound.problem.cells,
            rows=rows,
            class_adder=prices.class_adder,
            price_micro_per_kwh=prices.exact,
            curtailment_price_micro_per_kwh=curtailment_price,
            loss_wh=decision.loss_wh,
            welfare=welfare,
        )
    curtailment_cost = curtailment_price * int(decision.outcome.curtailed_wh.sum())
    if decision.attributes is not None:
        return class_certificate(
            decision.attributes,
            book=terms.book,
            quantity_wh=decision.tradable_wh,
            curtailment_cost_nano=curtailment_cost,
            price_micro_per_kwh=prices.payments.clearing_price_micro_per_kwh or 0,
            welfare=welfare,
        )
    # An optimum is certified as far as the network let it be one; others against all that could have been.
    is_optimum = terms.mechanism.properties.optimal
    return plain_certificate(
        is_sell=terms.book.is_sell,
        limit_micro_per_kwh=terms.book.limit_micro_per_kwh,
        quantity_wh=decision.tradable_wh if is_optimum else terms.book.quantity_wh,
        price_micro_per_kwh=floor_to_tick(prices.exact),
        loss_wh=decision.loss_wh,
        curtailment_cost_nano=curtailment_cost if is_optimum else 0,
        welfare=welfare,
    )


def _rent(payments: Payments, terms: Terms) -> int:
    """Paid by buyers and the supplier less received by sellers, the supplier and the grid."""
    paid, received = bought_and_sold(payments.amount_nano, terms.book.is_sell)
    return paid - received + payments.supplier_pays_nano - payments.grid_fee_nano


def _binding(decision: Decision, certificate: Certificate, feeder: Feeder) -> tuple[Binding, ...]:
    """The limits of the certificate's rows, or those for which energy had to stay out; in red those that are passed.

    Each limit once. A row without a shadow price only decided who of equally good orders is accepted, so the result may
    leave room in it; what is no row has no price either.
    """
    bound, refusal = decision.bound, decision.refusal
    shadow: dict[tuple[LimitKind, int], float] = {}
    if bound is not None:
        point, owners = bound.point, bound.owners
        for row in certificate.rows:
            shadow[row.kind, row.element] = shadow.get((row.kind, row.element), 0.0) + row.shadow_price
    elif refusal is not None and refusal.point is not None and decision.keeps_limits:
        point, owners = refusal.point, refusal.limits
        shadow = {(owner.kind, owner.element): 0.0 for owner in owners}
    else:
        passed = () if decision.judged is None else decision.judged.violations
        return tuple(_bound_at(violation, violation.value, shadow_price=0.0) for violation in passed)
    limits = {(owner.kind, owner.element): owner for owner in owners if (owner.kind, owner.element) in shadow}
    found = zip(limits.items(), feeder.limits.linearise(point, tuple(limits.values())), strict=True)
    return tuple(_bound_at(owner, abs(row.value), shadow_price=shadow[key]) for (key, owner), row in found)


def _bound_at(violation: Violation, value: float, *, shadow_price: float) -> Binding:
    return Binding(
        kind=violation.kind,
        element=violation.element,
        name=violation.name,
        limit=violation.limit,
        value=value,
        shadow_price=shadow_price,
    )


def _solver(decision: Decision, terms: Terms) -> str:
    if decision.attributes is not None:
        return f"HiGHS {_version('highspy')}, proved by its prices"
    if not terms.mechanism.properties.optimal:
        return (
            f"{terms.rules.mechanism}; curtailment by {_optimiser()}" if decision.optimised else terms.rules.mechanism
        )
    return _optimiser() if decision.optimised else "sort and merge"


def _optimiser() -> str:
    return f"HiGHS {_version('highspy')}, equal to the Pyomo {_version('pyomo')} model on HiGHS"


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)
