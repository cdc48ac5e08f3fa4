"""Who may call what. Every endpoint declares its rule; an endpoint without one answers nobody.

`@access(Access.OPERATOR)` on a view, or `declare(blueprint, Access.OPERATOR)` for all views of a blueprint. A view's
own declaration stands before its blueprint's. Views then filter by `viewer()`: that a household sees only its own data
is not left to the rule alone. A view of the API that takes tokens says for which scope beside its rule,
`@access(Access.HOUSEHOLD, Scope.OWN_READ)`; one that says nothing refuses every token.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from flask import Flask, current_app, g, redirect, request, url_for
from flask.sansio.blueprints import Blueprint
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized

from app.access_tokens import TokenHolder, holder_of, needs_noting, note_use
from app.auth import hash_of
from app.platform import platform
from app.roles import Role
from app.scopes import Scope
from app.storage.database import reading, writing
from app.storage.store.devices import Gateway, gateway_by_token
from app.storage.store.members import Participant

View = TypeVar("View", bound=Callable[..., object])

API_PREFIX = "/api/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
csrf = CSRFProtect()


class Access(StrEnum):
    """Who may call an endpoint.

    PUBLIC     everybody; SIGNATURE everybody too, because the content itself is signed
    SIGNED_IN  anybody who is known; HOUSEHOLD members, for their own data; OPERATOR operators
    TREASURER  who keeps the accounts: treasurers, and operators where nobody else does
    GRID       who looks at network and rounds; DEVICES at gateways and meters; MEMBERS at who belongs here: operators,
               and the roles that are for this. None of them shows what a home consumes.
    GATEWAY    an approved gateway with its token
    """

    PUBLIC = "public"
    SIGNATURE = "signature"
    SIGNED_IN = "signed_in"
    HOUSEHOLD = "household"
    OPERATOR = "operator"
    TREASURER = "treasurer"
    GRID = "grid"
    DEVICES = "devices"
    MEMBERS = "members"
    GATEWAY = "gateway"


ROLES = {
    Access.HOUSEHOLD: frozenset({Role.HOUSEHOLD}),
    Access.OPERATOR: frozenset({Role.OPERATOR}),
    Access.TREASURER: frozenset({Role.TREASURER, Role.OPERATOR}),
    Access.GRID: frozenset({Role.GRID_VIEWER, Role.OPERATOR}),
    Access.DEVICES: frozenset({Role.GRID_VIEWER, Role.SUPPORT, Role.OPERATOR}),
    Access.MEMBERS: frozenset({Role.SUPPORT, Role.OPERATOR}),
}
SAID = {
    Access.HOUSEHOLD: "members",
    Access.OPERATOR: "operators",
    Access.TREASURER: "the treasurer",
    Access.GRID: "operators and those who look after the grid",
    Access.DEVICES: "operators, support and those who look after the grid",
    Access.MEMBERS: "operators and support",
}


def access(rule: Access, scope: Scope | None = None) -> Callable[[View], View]:
    """Declare who may call a view, and with which tokens. Outermost of its decorators but the route."""

    def declared(view: View) -> View:
        vars(view).update(access_rule=rule, access_scope=scope)
        return view

    return declared


def declare(blueprint: Blueprint, rule: Access) -> None:
    """Declare who may call the views of a blueprint that say nothing themselves."""
    vars(blueprint)["access_rule"] = rule


def rule_of(app: Flask, endpoint: str) -> Access | None:
    """The declared rule of an endpoint, None if nobody declared one."""
    own: Access | None = getattr(app.view_functions[endpoint], "access_rule", None)
    blueprint = app.blueprints.get(endpoint.rpartition(".")[0])
    return own or getattr(blueprint, "access_rule", None)


def scope_of(app: Flask, endpoint: str) -> Scope | None:
    """The scope that a token needs for an endpoint, None where tokens are refused. Blueprints declare none."""
    found: Scope | None = getattr(app.view_functions[endpoint], "access_scope", None)
    return found


def viewer() -> Participant:
    """The person of this request, signed in by session or by token. Raises Unauthorized if there is none."""
    person = _viewer()
    if person is None:
        raise Unauthorized("Sign in first.")
    return person


def calling_gateway() -> Gateway:
    """The gateway of this request. Raises Unauthorized if there is none, Forbidden if it is not approved."""
    token = _bearer_token()
    if token is None:
        raise Unauthorized("Send the gateway's token: Authorization: Bearer TOKEN.")
    with reading(platform().engine) as connection:
        gateway = gateway_by_token(connection, hash_of(token))
    if gateway is None:
        raise Unauthorized("This token is not known here.")
    if gateway.status != "approved":
        raise Forbidden(f"Gateway {gateway.id} is {gateway.status}: an operator has to approve it.")
    return gateway


def enforce_access() -> ResponseReturnValue | None:
    """Before every request: let it pass, ask for sign-in, or refuse."""
    if request.endpoint is None:
        return None
    rule = rule_of(current_app, request.endpoint)
    if rule is None:
        raise NotFound(f"{request.endpoint} declares no access rule.")
    if rule in {Access.PUBLIC, Access.SIGNATURE}:
        return None
    if rule is Access.GATEWAY:
        calling_gateway()
        return None
    person = _viewer()
    if person is None:
        return _ask_to_sign_in()
    if rule in ROLES and not ROLES[rule] & person.roles:
        raise Forbidden(f"This is for {SAID[rule]} only.")
    if (holder := token_holder()) is not None:
        _hold_to_scope(holder, scope_of(current_app, request.endpoint))
    elif is_api_call() and request.method not in SAFE_METHODS:
        csrf.protect()
    return None


def _hold_to_scope(holder: TokenHolder, scope: Scope | None) -> None:
    if scope is None:
        raise Forbidden("This takes no token: sign in with a browser.")
    if scope is not Scope.ANY and scope not in holder.token.scopes:
        raise Forbidden(f"This token lacks the scope {scope}.")
    present_s = platform().now_s()
    if needs_noting(holder.token, now_s=present_s):
        with writing(platform().engine) as connection:
            note_use(connection, _bearer_token() or "", now_s=present_s)


def is_api_call() -> bool:
    """Whether this request came to the API rather than to a page."""
    return request.path.startswith(API_PREFIX)


def token_holder() -> TokenHolder | None:
    """Whom the token of this request speaks for and what it may do; None without a token that holds."""
    token = _bearer_token()
    if token is None:
        return None
    if "token_holder" not in g:
        with reading(platform().engine) as connection:
            g.token_holder = holder_of(connection, token, now_s=platform().now_s())
    holder: TokenHolder | None = g.token_holder
    return holder


def _viewer() -> Participant | None:
    if _bearer_token() is None:
        return current_user.participant if current_user.is_authenticated else None
    holder = token_holder()
    return None if holder is None else holder.person


def _bearer_token() -> str | None:
    if not is_api_call() or request.authorization is None or request.authorization.type != "bearer":
        return None
    return request.authorization.token or ""


def _ask_to_sign_in() -> ResponseReturnValue:
    if is_api_call() or request.method not in SAFE_METHODS:
        raise Unauthorized("Sign in, or send a token: Authorization: Bearer TOKEN.")
    return redirect(url_for("auth.sign_in", next=request.full_path.rstrip("?")))
