"""The community of this database, its tariffs and its operating envelopes."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.tables import core_table
from meters.signing import SigningDomain

COMMUNITY = core_table(tables.Community)
TARIFFS = core_table(tables.TariffVersion)
MARKET_CHOICES = core_table(tables.MarketChoiceRow)
ENVELOPES = core_table(tables.Envelope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Name, place in time, network and chain of the community; the chain is None until its contracts are deployed."""

    id: str
    name: str
    network: str
    tie_seed: str
    currency: str = "EUR"
    timezone: str = "Europe/Berlin"
    market_time_unit_minutes: int = 15
    simulated: bool = False
    chain_id: int | None = None
    ledger_address: str | None = None
    ledger_code_hash: str | None = None
    first_ledger_address: str | None = None
    certificates_address: str | None = None
    genesis_hash: str | None = None
    drawing_json: str | None = None

    @property
    def market_time_unit_s(self) -> int:
        return self.market_time_unit_minutes * 60

    @property
    def signing_domain(self) -> SigningDomain | None:
        """The domain gateways sign under: of the community's first ledger, None before it is deployed."""
        first = self.first_ledger_address or self.ledger_address
        if self.chain_id is None or first is None:
            return None
        return SigningDomain(chain_id=self.chain_id, verifying_contract=first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Limits of a metering point in an interval, W, both non-negative.

    stopped_by_kind, stopped_by_element  the limit of the network behind which the point's feed-in had to stop
                                         (`grid.limits.LimitKind`, index of its table); None where nothing stopped it
    """

    metering_point_id: str
    start_s: int
    import_limit_w: int
    export_limit_w: int
    stopped_by_kind: str | None = None
    stopped_by_element: int | None = None


def create_community(connection: Connection, community: Community) -> None:
    """Found the community. Raises InputError if the database holds one."""
    if find_community(connection) is not None:
        raise InputError("this database already holds a community: use an empty one")
    connection.execute(COMMUNITY.insert(), asdict(community))


def find_community(connection: Connection) -> Community | None:
    """The community of this database, None before it is founded."""
    row = connection.execute(select(COMMUNITY)).mappings().first()
    return None if row is None else Community(**row)


def the_community(connection: Connection) -> Community:
    """The community of this database. Raises InputError before it is founded."""
    community = find_community(connection)
    if community is None:
        raise InputError("this database holds no community yet: run `commonwatt init` or `commonwatt demo` first")
    return community


def save_chain(
    connection: Connection, *, chain_id: int, ledger_address: str, ledger_code_hash: str, genesis_hash: str
) -> Community:
    """Remember where the community's contracts are. Raises InputError if they are known to be elsewhere."""
    community = the_community(connection)
    changed = replace(
        community,
        chain_id=chain_id,
        ledger_address=ledger_address,
        ledger_code_hash=ledger_code_hash,
        genesis_hash=genesis_hash,
    )
    if community.ledger_address is not None and changed != community:
        raise InputError(
            f"the community's ledger is {community.ledger_address} on chain {community.chain_id}: "
            "restore that chain instead of starting another"
        )
    connection.execute(update(COMMUNITY).where(COMMUNITY.c.id == community.id).values(**asdict(changed)))
    return changed


def save_successor(connection: Connection, *, ledger_address: str, ledger_code_hash: str) -> None:
    """Another ledger has taken over; gateways go on signing for the first."""
    community = the_community(connection)
    first = community.first_ledger_address or community.ledger_address
    values = {
        "ledger_address": ledger_address,
        "ledger_code_hash": ledger_code_hash,
        "first_ledger_address": first,
    }
    connection.execute(update(COMMUNITY).values(**values))


def save_certificates(connection: Connection, address: str) -> None:
    """Remember where the contract of the community's certificates is."""
    connection.execute(update(COMMUNITY).values(certificates_address=address))


def rename_community(connection: Connection, *, name: str, network: str) -> None:
    """Store the community's present name and network."""
    connection.execute(update(COMMUNITY).values(name=name, network=network))


def save_drawing(connection: Connection, drawing_json: str) -> None:
    """Keep the network's picture (grid.feeder.drawing as JSON)."""
    connection.execute(update(COMMUNITY).values(drawing_json=drawing_json))


def add_tariff(connection: Connection, *, valid_from_s: int, tariff_json: str) -> None:
    """Add a tariff version. The same text again is nothing new; another from the same instant raises InputError."""
    known = connection.execute(select(TARIFFS.c.tariff_json).where(TARIFFS.c.valid_from_s == valid_from_s)).scalar()
    if known is not None and known != tariff_json:
        raise InputError(f"a tariff valid from {valid_from_s} exists: a tariff is never edited, add one valid later")
    if known is None:
        connection.execute(TARIFFS.insert(), {"valid_from_s": valid_from_s, "tariff_json": tariff_json})


def tariff_json_at(connection: Connection, instant_s: int) -> str | None:
    """The tariff in force at `instant_s` as it was stored, None before the first."""
    query = select(TARIFFS.c.tariff_json).where(TARIFFS.c.valid_from_s <= instant_s)
    return connection.execute(query.order_by(TARIFFS.c.valid_from_s.desc()).limit(1)).scalar()


def tariff_versions(connection: Connection) -> tuple[tuple[int, str], ...]:
    """All versions as (valid_from_s, JSON), oldest first."""
    rows = connection.execute(select(TARIFFS.c.valid_from_s, TARIFFS.c.tariff_json).order_by(TARIFFS.c.valid_from_s))
    return tuple((row.valid_from_s, row.tariff_json) for row in rows)


def add_market_choice(connection: Connection, *, valid_from_s: int, choice_json: str) -> None:
    """From `valid_from_s` on the community trades like this; a later word for the same instant replaces the earlier."""
    values = {"valid_from_s": valid_from_s, "choice_json": choice_json}
    upsert(connection, MARKET_CHOICES, [values], replacing=("choice_json",))


def market_choice_json_at(connection: Connection, instant_s: int) -> str | None:
    """What holds at `instant_s` as it was stored, None before the first choice."""
    query = select(MARKET_CHOICES.c.choice_json).where(MARKET_CHOICES.c.valid_from_s <= instant_s)
    return connection.execute(query.order_by(MARKET_CHOICES.c.valid_from_s.desc()).limit(1)).scalar()


def save_envelopes(connection: Connection, envelopes: Iterable[Envelope]) -> None:
    """Publish envelopes; a later one for the same point and interval replaces the earlier."""
    columns = ("import_limit_w", "export_limit_w", "stopped_by_kind", "stopped_by_element")
    upsert(connection, ENVELOPES, (asdict(envelope) for envelope in envelopes), replacing=columns)


def envelopes(
    connection: Connection, *, start_s: int, end_s: int, points: Collection[str] | None = None
) -> tuple[Envelope, ...]:
    """Envelopes of intervals that start in [start_s, end_s), of all or some points, by interval and point."""
    query = select(ENVELOPES).where(ENVELOPES.c.start_s >= start_s, ENVELOPES.c.start_s < end_s)
    if points is not None:
        query = query.where(ENVELOPES.c.metering_point_id.in_(points))
    rows = connection.execute(query.order_by(ENVELOPES.c.start_s, ENVELOPES.c.metering_point_id)).mappings()
    return tuple(Envelope(**row) for row in rows)
