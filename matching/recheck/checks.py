"""The list of what must hold for a published result. Each check answers with what it finds wrong.

A new rule of the market is a new claim in `claims.py` and a new line here; a file with a claim that this list does not
know is refused (`fields.py`), never passed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matching.recheck import accounts, bound, mechanisms, prices, sharing
from matching.recheck.published import Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A check by its name, what it is about, and what does not hold."""

    name: str
    about: str
    wrong: tuple[str, ...]


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


def recheck(result: Published) -> tuple[Verdict, ...]:
    """Everything that can be seen in the files without the network."""
    return tuple(verdict(name, check, result) for name, check in CHECKS)
