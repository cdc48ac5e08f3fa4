"""What a token may be used for: each API route that takes tokens declares one scope, beside its access rule."""

from collections.abc import Iterable
from enum import StrEnum

from app.errors import InputError
from app.roles import Role
from app.storage.store.members import Participant


class Scope(StrEnum):
    """A scope never gives more than the person's roles do; it only takes away.

    ANY is no scope of a token: a route that declares it takes every token of a person whom its access rule lets pass.
    """

    ANY = "any"
    OWN_READ = "own:read"
    OWN_TRADE = "own:trade"
    OWN_WRITE = "own:write"
    OPERATOR_READ = "operator:read"
    OPERATOR_WRITE = "operator:write"
    TREASURY_READ = "treasury:read"
    TREASURY_WRITE = "treasury:write"
    TOKENS = "tokens"


MEANING = {
    Scope.OWN_READ: "Read your own data",
    Scope.OWN_TRADE: "Place and cancel your own orders",
    Scope.OWN_WRITE: "Change your own preferences, consents and wallet",
    Scope.OPERATOR_READ: "Read network, rounds, devices, members and settlement",
    Scope.OPERATOR_WRITE: "Decide as an operator: gateways, members, tariffs, settlement runs",
    Scope.TREASURY_READ: "Read invoices and payments",
    Scope.TREASURY_WRITE: "Record payments and import bank statements",
    Scope.TOKENS: "List, make and revoke your tokens",
}
OWN = (Scope.OWN_READ, Scope.OWN_TRADE, Scope.OWN_WRITE)
OPERATOR = (Scope.OPERATOR_READ, Scope.OPERATOR_WRITE)
TREASURY = (Scope.TREASURY_READ, Scope.TREASURY_WRITE)
OF_ROLE = {
    Role.HOUSEHOLD: OWN,
    Role.OPERATOR: (*OPERATOR, *TREASURY),
    Role.TREASURER: TREASURY,
    Role.GRID_VIEWER: (Scope.OPERATOR_READ,),
    Role.SUPPORT: (Scope.OPERATOR_READ,),
}


def scopes_of(person: Participant) -> tuple[Scope, ...]:
    """Every scope that means something for this person, in the order above; everybody has own data and tokens."""
    held = {Scope.OWN_READ, Scope.TOKENS} | {scope for role in person.roles for scope in OF_ROLE[Role(role)]}
    return tuple(scope for scope in MEANING if scope in held)


def chosen_scopes(person: Participant, chosen: Iterable[str]) -> frozenset[Scope]:
    """The scopes named. Raises InputError for none at all, and for one that this person cannot give."""
    allowed, named = scopes_of(person), tuple(chosen)
    if not named:
        raise InputError("choose at least one thing that the token may do")
    for name in named:
        if name not in allowed:
            raise InputError(f"{name!r} is no scope of yours: use {', '.join(allowed)}")
    return frozenset(Scope(name) for name in named)
