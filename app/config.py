"""Settings: one frozen object from `commonwatt.toml` and the environment, built once at start.

The environment overrides the file: COMMONWATT_ENVIRONMENT, COMMONWATT_STATE, COMMONWATT_LISTEN,
COMMONWATT_PUBLIC_URL, COMMONWATT_TRUSTED_PROXIES, COMMONWATT_DATABASE_URL, COMMONWATT_CHAIN_URL. Secrets come from
COMMONWATT_SECRET_KEY and COMMONWATT_DATABASE_PASSWORD, or from the files that the same names with _FILE point to;
they never stand in the file.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.community_settings import (
    CommunitySettings,
    MemberSettings,
    TreasurerSettings,
    community_from,
    member_from,
    treasurer_from,
)
from app.errors import InputError
from app.languages import LANGUAGES, SOURCE_LANGUAGE
from app.mail_settings import MailSettings, mail_from
from app.market_choice import MarketChoice, choice_from, on_grid
from app.secret_values import new_key_file, secret_value
from app.settlement_settings import SettlementSettings, settlement_from
from contracts.fields import FieldError, Fields

ENVIRONMENTS = ("local", "deployed")
LEAST_SECRET_CHARACTERS = 32
# What examples and demonstrations use: whoever reads them could sign in as anybody.
PUBLIC_SECRETS = ("commonwatt-demo", "change-me", "changeme", "secret", "example", "0000")
LISTS = ("members", "treasurers")
SECTIONS = (
    "environment",
    "state",
    "community",
    "members",
    "treasurers",
    "web",
    "database",
    "chain",
    "settlement",
    "market",
    "grid",
    "mail",
    "tariff_file",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the web application listens and what the world calls it; session_hours is how long a sign-in lasts.

    `language` is for readers whose browser asks for none of those there are.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    trusted_proxies: int = 0
    session_hours: int = 12
    language: str = SOURCE_LANGUAGE

    @property
    def base_url(self) -> str:
        """The address people open, without a slash at the end."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        return self.public_url.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is configured. `chain_url` is empty for the embedded chain in the state directory."""

    environment: str
    state: Path
    database_url: str
    secret_key: str
    chain_url: str = ""
    web: WebSettings = WebSettings()
    community: CommunitySettings | None = None
    members: tuple[MemberSettings, ...] = ()
    treasurers: tuple[TreasurerSettings, ...] = ()
    settlement: SettlementSettings = field(default_factory=SettlementSettings)
    market: MarketChoice = field(default_factory=MarketChoice)
    mail: MailSettings | None = None
    tariff_file: Path | None = None

    @property
    def keys(self) -> Path:
        """Directory of the private keys; part of every backup."""
        return self.state / "keys"

    @property
    def is_local(self) -> bool:
        return self.environment == "local"

    @classmethod
    def load(cls, path: Path | None, env: Mapping[str, str]) -> "Settings":
        """Read `path` (None: nothing but the environment). Raises InputError naming the key and the remedy."""
        values = {} if path is None else _read(path)
        place = Path() if path is None else path.parent
        where = "the environment" if path is None else str(path)
        unknown = sorted(set(values) - set(SECTIONS))
        if unknown:
            raise InputError(f"{where}: {unknown[0]!r} is unknown{_nearest(unknown[0], SECTIONS)}")
        try:
            return _settings(values, env, place)
        except FieldError as error:
            raise InputError(f"{where}: {error}") from error


def _settings(values: Mapping[str, object], env: Mapping[str, str], place: Path) -> Settings:
    fields = Fields({key: value for key, value in values.items() if key not in LISTS}, "")
    environment = _text(fields, "environment", "local", env.get("COMMONWATT_ENVIRONMENT"))
    if environment not in ENVIRONMENTS:
        raise FieldError("environment", f"is {environment!r}: use one of {', '.join(ENVIRONMENTS)}")
    state = place / _text(fields, "state", "state", env.get("COMMONWATT_STATE"))
    tariff = _text(fields, "tariff_file", "")
    lists = Fields({name: values.get(name, []) for name in LISTS}, "")
    members, treasurers = _distinct(
        tuple(member_from(row) for row in lists.rows("members")),
        tuple(treasurer_from(row) for row in lists.rows("treasurers")),
    )
    community = _placed(community_from(fields.fields("community")), place) if fields.has("community") else None
    return Settings(
        environment=environment,
        state=state,
        database_url=_database_url(fields, env, state),
        secret_key=_secret_key(env, environment, state),
        chain_url=_chain_url(fields, env),
        web=_web(fields, env, environment),
        community=community,
        members=members,
        treasurers=treasurers,
        settlement=_settlement(fields, community),
        market=_market(fields, members),
        mail=mail_from(fields.fields("mail"), place) if fields.has("mail") else None,
        tariff_file=place / tariff if tariff else None,
    )


def _market(fields: Fields, members: tuple[MemberSettings, ...]) -> MarketChoice:
    market = choice_from(fields.fields("market"), members) if fields.has("market") else MarketChoice()
    return on_grid(market, fields.fields("grid"), members) if fields.has("grid") else market


def _read(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: write one with `commonwatt init`") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _secret_key(env: Mapping[str, str], environment: str, state: Path) -> str:
    secret = secret_value(env, "COMMONWATT_SECRET_KEY")
    if secret is None:
        if environment != "local":
            raise InputError(
                "COMMONWATT_SECRET_KEY_FILE is not set: point it to a file with 32 or more random characters"
            )
        secret = new_key_file(state / "keys" / "web-secret")
    if environment != "local" and any(known in secret.lower() for known in PUBLIC_SECRETS):
        raise InputError("COMMONWATT_SECRET_KEY is a public example: make your own with `openssl rand -hex 32`")
    if len(secret) < LEAST_SECRET_CHARACTERS:
        raise InputError(f"COMMONWATT_SECRET_KEY has {len(secret)} characters: use {LEAST_SECRET_CHARACTERS} or more")
    return secret


def _database_url(fields: Fields, env: Mapping[str, str], state: Path) -> str:
    section = fields.fields("database") if fields.has("database") else Fields({}, "database")
    written = _text(section, "url", "")
    section.close()
    url = env.get("COMMONWATT_DATABASE_URL") or written or f"sqlite:///{state / 'community.sqlite'}"
    password = secret_value(env, "COMMONWATT_DATABASE_PASSWORD")
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise FieldError("database.url", "is not a database URL: write sqlite:///FILE or postgresql://...") from error
    if written and parsed.password:
        raise FieldError(
            "database.url", "holds a password: put it in a file named by COMMONWATT_DATABASE_PASSWORD_FILE"
        )
    return url if password is None else parsed.set(password=password).render_as_string(hide_password=False)


def _chain_url(fields: Fields, env: Mapping[str, str]) -> str:
    section = fields.fields("chain") if fields.has("chain") else Fields({}, "chain")
    url = _text(section, "url", "", env.get("COMMONWATT_CHAIN_URL"))
    section.close()
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise FieldError("chain.url", f"is {url!r}: write http://HOST:PORT, or leave it out for the embedded chain")
    return url


def _web(fields: Fields, env: Mapping[str, str], environment: str) -> WebSettings:
    section = fields.fields("web") if fields.has("web") else Fields({}, "web")
    listen = _text(section, "listen", "127.0.0.1:8080", env.get("COMMONWATT_LISTEN"))
    public_url = _text(section, "public_url", "", env.get("COMMONWATT_PUBLIC_URL")).rstrip("/")
    written = _integer(section, "trusted_proxies", 0, least=0, most=5)
    proxies = env.get("COMMONWATT_TRUSTED_PROXIES") or str(written)
    hours = _integer(section, "session_hours", 12, least=1, most=24 * 30)
    language = _text(section, "language", SOURCE_LANGUAGE, None)
    section.close()
    if language not in LANGUAGES:
        raise FieldError("web.language", f"is {language!r}: write {' or '.join(LANGUAGES)}")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise FieldError("web.listen", f"is {listen!r}: write HOST:PORT, for example 127.0.0.1:8080")
    if not proxies.isdigit() or int(proxies) > 5:
        raise FieldError("web.trusted_proxies", f"is {proxies!r}: write how many proxies stand in front, 0 to 5")
    if public_url and urlsplit(public_url).scheme not in {"http", "https"}:
        raise FieldError("web.public_url", f"is {public_url!r}: write https://HOST")
    if environment == "deployed" and not public_url.startswith("https://"):
        raise FieldError(
            "web.public_url", "is needed when deployed, and begins with https://: sign-ins must be encrypted"
        )
    return WebSettings(
        host=host,
        port=int(port),
        public_url=public_url,
        trusted_proxies=int(proxies),
        session_hours=hours,
        language=language,
    )


def _placed(community: CommunitySettings, place: Path) -> CommunitySettings:
    """With a network file named relative to the configuration found beside it, wherever the program is started."""
    beside = place / community.network
    return replace(community, network=str(beside)) if beside.exists() else community


def _settlement(fields: Fields, community: CommunitySettings | None) -> SettlementSettings:
    section = fields.fields("settlement") if fields.has("settlement") else Fields({}, "settlement")
    return settlement_from(section, interval_minutes=5 if community is None else community.market_time_unit_minutes)


def _distinct(
    members: tuple[MemberSettings, ...], treasurers: tuple[TreasurerSettings, ...]
) -> tuple[tuple[MemberSettings, ...], tuple[TreasurerSettings, ...]]:
    seen: set[str] = set()
    listed = [(f"members[{position}].id", each.id) for position, each in enumerate(members)]
    listed += [(f"treasurers[{position}].id", each.id) for position, each in enumerate(treasurers)]
    for place, name in listed:
        if name in seen:
            raise FieldError(place, f"{name!r} is there twice: everybody needs an id of their own")
        seen.add(name)
    return members, treasurers


def _text(fields: Fields, key: str, default: str, override: str | None = None) -> str:
    written = fields.text(key) if fields.has(key) else default
    return override or written


def _integer(fields: Fields, key: str, default: int, *, least: int, most: int) -> int:
    return fields.integer(key, least=least, most=most) if fields.has(key) else default


def _nearest(word: str, known: tuple[str, ...]) -> str:
    found = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {found[0]!r}?" if found else f": use {', '.join(known)}"
