"""A result without a supplier: what is left over is shed or spilled, firm demand bids the value of lost load.

All other checks look at the book that was cleared: there every order flows as far as it is accepted, firm demand has
the value of lost load as its limit, and nothing is curtailed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from matching.book import FIRM, FLEXIBLE, BoolArray
from matching.recheck.accounts import differs, named
from matching.recheck.exact import total
from matching.recheck.island_claims import IslandClaim
from matching.recheck.published import Published

LOOK_AT_WHAT_WAS_PLACED = frozenset({"book", "listing"})
KNOW_FIRMNESS = frozenset({"no network", "curtailment"})  # what they say is said here in another way


@dataclass(frozen=True, kw_only=True, eq=False)
class Islanded:
    """A result on an island, as it was published."""

    result: Published
    claim: IslandClaim

    @property
    def firm_demand(self) -> BoolArray:
        """[n_order] what is served first and shed last."""
        book = self.result.book
        return np.asarray(~book.is_sell & (book.firmness_codes == FIRM))


def as_cleared(on: Islanded) -> Published:
    """The result of the book that was cleared."""
    result = on.result
    book = result.book
    claims = replace(result.claims, curtailed_wh=0, status="red" if on.claim.is_dark else "green")
    return replace(
        result,
        book=replace(
            book,
            firmness_codes=np.full_like(book.firmness_codes, FLEXIBLE),
            limit_micro_per_kwh=np.where(on.firm_demand, on.claim.lost_load, book.limit_micro_per_kwh),
        ),
        curtailed_wh=np.zeros_like(result.curtailed_wh),
        claims=claims,
        own_limit=book.limit_micro_per_kwh,
    )


def left_over(on: Islanded) -> Iterator[str]:
    """On an island: what of a firm or curtailable order is not accepted does not flow: it is curtailed."""
    result = on.result
    due = np.where(result.flexible, 0, result.book.quantity_wh - result.accepted_wh)
    curtailed = result.curtailed_wh
    yield from named(result, curtailed != due, lambda at: f"curtailed_wh is {curtailed[at]}, {due[at]} are left over")
    yield from differs("curtailed_wh", result.claims.curtailed_wh, total(curtailed))


def totals(on: Islanded) -> Iterator[str]:
    """On an island: what is shed, spilled, paid for losses and given by the unit follows from the trades."""
    result, claim, book = on.result, on.claim, on.result.book
    yield from differs("shed_wh", claim.shed_wh, total(result.curtailed_wh[on.firm_demand]))
    yield from differs("spilled_wh", claim.spilled_wh, total(result.curtailed_wh[book.is_sell]))
    cost = result.claims.loss_wh * (result.claims.clearing_price or 0)
    yield from differs("loss_cost_nano", claim.loss_cost_nano, cost)
    formed = 0
    if claim.grid_forming_bus is not None:
        formed = total((result.side * result.accepted_wh)[book.bus == claim.grid_forming_bus])
    yield from differs("grid_forming_wh", claim.grid_forming_wh, formed)


def ranking(on: Islanded) -> Iterator[str]:
    """On an island: other demand bids below the value of lost load, no offer asks more, nobody has a supplier."""
    result, lost = on.result, on.claim.lost_load
    limit, sells = result.book.limit_micro_per_kwh, result.book.is_sell
    yield from named(
        result, ~sells & ~on.firm_demand & (limit >= lost), lambda at: f"bids {limit[at]}, not below {lost}"
    )
    yield from named(result, sells & (limit > lost), lambda at: f"asks {limit[at]}, above {lost}")
    claims = result.claims
    if claims.rules.supplier_bids:
        yield "there is a supplier on an island"
    if not claims.mechanism.most_welfare:
        yield f"{claims.mechanism.name} knows no shedding"
    if claims.clearing_price is not None and claims.clearing_price > lost:
        yield f"clearing_price_micro_per_kwh is {claims.clearing_price}, above the value of lost load {lost}"
    if (claims.network is None) != (on.claim.grid_forming_bus is None):
        yield "a network has a grid-forming unit, and only a network has one"


def light(on: Islanded) -> Iterator[str]:
    """On an island: red where firm demand is shed, amber where only other energy is curtailed, else green."""
    result, claim = on.result, on.claim
    found = "red" if claim.is_dark or claim.shed_wh else "amber" if result.curtailed_wh.any() else "green"
    if result.claims.status != found:
        yield f"{result.claims.status}, but by what is shed and curtailed it is {found}"
    claims = result.claims
    idle = claims.network is None or claim.is_dark
    if idle and (claims.ac is not None or claims.binding or claims.certificate.rows or claims.loss_wh):
        yield "there is something of a network, but no network that works"
    if claim.is_dark and (result.accepted_wh.any() or claims.network is None):
        yield "dark, but something is accepted" if result.accepted_wh.any() else "dark, but no network is in the way"
