"""The list of what must hold for a published result. Each check answers with what it finds wrong.

A new rule of the market is a new claim in `claims.py` and a new line here; a file with a claim that this list does not
know is refused (`fields.py`), never passed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matching.recheck import (
    accounts,
    bound,
    class_price_choice,
    island,
    mechanisms,
    preference_bound,
    preferences,
    prices,
    sharing,
)
from matching.recheck.filled import Filled, filled_of
from matching.recheck.published import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A check by its name, what it is about, and what does not hold; or what nobody has looked at."""

    name: str
    about: str
    wrong: tuple[str, ...]
    is_checked: bool = True


def verdict(name: str, check: Callable[..., Iterable[str]], *given: object) -> Verdict:
    """What a check says; the first line of its own description says what it is about."""
    return Verdict(name=name, about=(check.__doc__ or "").partition("\n")[0], wrong=tuple(check(*given)))


CHECKS: tuple[tuple[str, Callable[[Published], Iterable[str]]], ...] = (
    ("book", accounts.same_book),
    ("listing", accounts.listing),
    ("no network", accounts.no_network),
    ("quantities", accounts.quantities),
    ("energy", accounts.energy),
    ("money", accounts.money),
    ("welfare", accounts.welfare),
    ("own limits", accounts.own_limits),
    ("uniform price", prices.uniform_price),
    ("locational prices", prices.locational_prices),
    ("shadow prices", bound.shadow_prices),
    ("dual welfare", bound.dual_welfare),
    ("optimality", bound.optimality),
    ("mechanism", mechanisms.rule_followed),
    ("sharing", sharing.margin),
    ("curtailment", sharing.curtailment),
)


ISLAND_CHECKS: tuple[tuple[str, Callable[[island.Islanded], Iterable[str]]], ...] = (
    ("left over", island.left_over),
    ("island totals", island.totals),
    ("island ranking", island.ranking),
    ("island light", island.light),
)


PREFERENCE_CHECKS: tuple[tuple[str, Callable[[Filled], Iterable[str]]], ...] = (
    ("parts", preferences.sums),
    ("premiums and fees", preferences.premiums_and_fees),
    ("flows", preferences.flows),
    ("classes", preferences.class_totals),
    ("class prices", preferences.class_prices),
    ("locational prices", preferences.locational_prices),
    ("budget", preferences.budget),
    ("welfare", preferences.welfare),
    ("own limits", preferences.own_limits),
)
ALSO_WITH_PREFERENCES = frozenset({"book", "listing", "no network", "quantities", "energy", "mechanism", "curtailment"})
UNCHECKED = {
    "splitting": "With premiums or fees: which of equally good orders are filled from several classes.",
}


def recheck(result: Published) -> tuple[Verdict, ...]:
    """Everything that can be seen in the files without the network."""
    if result.claims.island is not None:
        return _recheck_island(island.Islanded(result=result, claim=result.claims.island))
    if result.claims.preferences is None:
        return tuple(verdict(name, check, result) for name, check in CHECKS)
    filled, unchecked = filled_of(result), dict(UNCHECKED)
    found = [verdict(name, check, result) for name, check in CHECKS if name in ALSO_WITH_PREFERENCES]
    found += [verdict(name, check, filled) for name, check in PREFERENCE_CHECKS]
    if filled.claims.flexible_left_out:
        unchecked["refusal"] = "With premiums or fees: that flexible orders had to stay out."
    if result.claims.network is None:
        found.append(verdict("price choice", class_price_choice.choice, filled))
    else:
        unchecked["price choice"] = "With premiums or fees on a network: which of the supporting prices are paid."
    best = preference_bound.optimality_within_rows if filled.has_rows else preference_bound.optimality
    found.append(verdict("optimality", best, filled))
    found.append(verdict("sharing", sharing.margin, result, filled.classes.of_order))
    found += [Verdict(name=name, about=about, wrong=(), is_checked=False) for name, about in unchecked.items()]
    return tuple(found)


def _recheck_island(on: island.Islanded) -> tuple[Verdict, ...]:
    placed, cleared = on.result, island.as_cleared(on)
    found = [verdict(name, check, on) for name, check in ISLAND_CHECKS]
    for name, check in CHECKS:
        if name not in island.KNOW_FIRMNESS:
            found.append(verdict(name, check, placed if name in island.LOOK_AT_WHAT_WAS_PLACED else cleared))
    return tuple(found)
