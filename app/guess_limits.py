"""How often passwords, links and codes may be tried: counted in the database, so that all processes count together.

Who guesses at one account from many addresses is slowed down by the account. So that this locks nobody out, a browser
that has signed in to the account before carries a signed cookie and is counted by itself ("device cookies", OWASP);
passkeys and links are not guesses at the account and are never counted with it.
"""

import ipaddress
import secrets
import time
from collections.abc import Mapping

from flask import after_this_request, current_app, request
from flask.wrappers import Response
from flask_limiter import Limiter
from itsdangerous import BadSignature, URLSafeSerializer
from limits.storage import Storage
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from app.auth import hash_of
from app.platform import platform
from app.storage import tables
from app.storage.database import reading, writing
from app.storage.store.bulk import inserting
from app.storage.tables import core_table

SIGN_IN_LIMITS = "10 per minute; 60 per hour"
GUESSES_PER_ACCOUNT = "20 per 15 minutes"
LETTERS_PER_ACCOUNT = "3 per hour"
DEVICE_COOKIE = "commonwatt_device"
ACCOUNTS_PER_DEVICE = 5
A_YEAR_S = 31_536_000
IPV6_HOME = 64
"""Bits of an IPv6 address that tell one home from another; the rest a home changes as it likes."""

COUNTS = core_table(tables.GuessCountRow)


class DatabaseStorage(Storage):
    """Counters of the `limits` library as rows of the application's database, in real seconds."""

    STORAGE_SCHEME = ["database"]  # noqa: RUF012 the library's own attribute

    @property
    def base_exceptions(self) -> type[Exception]:
        return DBAPIError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        present_s = time.time()
        row = {"key_hash": hash_of(key), "hits": amount, "expires_s": present_s + expiry}
        with writing(platform().engine) as connection:
            connection.execute(delete(COUNTS).where(COUNTS.c.expires_s <= present_s))
            statement = inserting(connection, COUNTS).values(**row)
            counted = statement.on_conflict_do_update(
                index_elements=[COUNTS.c.key_hash], set_={"hits": COUNTS.c.hits + amount}
            )
            return int(connection.execute(counted.returning(COUNTS.c.hits)).scalar_one())

    def get(self, key: str) -> int:
        with reading(platform().engine) as connection:
            hits = select(COUNTS.c.hits).where(COUNTS.c.key_hash == hash_of(key), COUNTS.c.expires_s > time.time())
            return int(connection.execute(hits).scalar() or 0)

    def get_expiry(self, key: str) -> float:
        with reading(platform().engine) as connection:
            expiry = select(COUNTS.c.expires_s).where(COUNTS.c.key_hash == hash_of(key))
            return float(connection.execute(expiry).scalar() or time.time())

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        with writing(platform().engine) as connection:
            return connection.execute(delete(COUNTS)).rowcount

    def clear(self, key: str) -> None:
        with writing(platform().engine) as connection:
            connection.execute(delete(COUNTS).where(COUNTS.c.key_hash == hash_of(key)))


def caller() -> str:
    """Where a request comes from: an IPv4 address, or the home of an IPv6 address."""
    address = request.remote_addr or "nowhere"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> IPV6_HOME << IPV6_HOME, IPV6_HOME)))


guesses = Limiter(caller, storage_uri="database://", headers_enabled=True)


def account_guessed() -> str:
    """The account whose password is being guessed, or the browser that has signed in to it before."""
    values = request.form if not request.is_json else request.get_json()
    email = values.get("email", "") if isinstance(values, Mapping) else ""
    account = _account(str(email))
    return _devices().get(account) or f"account:{account}"


guesses_per_account = guesses.shared_limit(GUESSES_PER_ACCOUNT, scope="password", key_func=account_guessed)


def account_asked_for() -> str:
    """The account for which somebody asks for a letter."""
    return f"letter:{_account(request.form.get('email', ''))}"


def remember_device(email: str | None) -> None:
    """Let this browser be counted by itself from now on when it guesses at this account's password."""
    if not email:
        return
    known = _devices()
    known.pop(_account(email), None)
    kept = dict([*known.items()][-(ACCOUNTS_PER_DEVICE - 1) :]) | {_account(email): "device:" + secrets.token_hex(16)}

    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            DEVICE_COOKIE,
            _signer().dumps(kept),
            max_age=A_YEAR_S,
            httponly=True,
            samesite="Lax",
            secure=platform().settings.web.is_encrypted,
            path="/",
        )
        return response


def _account(email: str) -> str:
    return hash_of(email.strip().lower())[:32]


def _devices() -> dict[str, str]:
    try:
        return dict(_signer().loads(request.cookies.get(DEVICE_COOKIE, "")))
    except (BadSignature, ValueError, TypeError):
        return {}


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.config["SECRET_KEY"]), salt="device of an account")
