"""Participants, their metering points, supply contracts and standing limits."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, RowMapping, Select, or_, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.tables import core_table

PARTICIPANTS = core_table(tables.Participant)
POINTS = core_table(tables.MeteringPoint)
CONTRACTS = core_table(tables.SupplyContract)
PREFERENCES = core_table(tables.Preference)
PREFERENCE_VERSIONS = core_table(tables.PreferenceVersion)
OPEN_END_S = 1 << 60
"""Later than any interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A member or one of the staff; `lane` is the balance slot in the ledger contract, None for staff.

    vat_class  the one a member joined with: `vat_classes` knows later ones
    """

    id: str
    display_name: str
    email: str | None = None
    role: str = "household"
    extra_roles: str = ""
    status: str = "active"
    vat_class: str = "private"
    lane: int | None = None
    account_address: str | None = None
    created_s: int = 0

    @property
    def roles(self) -> frozenset[str]:
        """All that this person may be here; of somebody suspended only what shows own data."""
        held = {self.role, *self.extra_roles.split()}
        return frozenset(held & {"household"} if self.is_suspended else held)

    @property
    def is_suspended(self) -> bool:
        return self.status != "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringPoint:
    """A grid connection: rating and nameplates in W and Wh.

    phase              a, b or c for a connection on one phase, abc for one on all three, None where nobody said
    generation_source  what the plant makes electricity of, as its certificates name it
    """

    id: str
    participant_id: str
    bus: int | None = None
    phase: str | None = None
    connection_w: int = 25_000
    generation_w: int = 0
    generation_controllable: bool = False
    generation_source: str = "solar"
    battery_wh: int = 0
    battery_w: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyContract:
    """What a participant's own supplier charges and pays, valid in [valid_from_s, valid_to_s)."""

    participant_id: str
    supplier_price_micro_per_kwh: int
    feed_in_price_micro_per_kwh: int
    valid_from_s: int
    valid_to_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Standing limits and how much the agent may do alone; a limit of None is the community's default."""

    participant_id: str
    sell_at_least_micro_per_kwh: int | None = None
    buy_at_most_micro_per_kwh: int | None = None
    autonomy: str = "full"
    trading_paused: bool = False
    changed_s: int = 0


def add_participant(connection: Connection, participant: Participant) -> None:
    """Insert a new participant, the email in lower case; a known id or email raises IntegrityError."""
    email = None if participant.email is None else participant.email.strip().lower()
    connection.execute(PARTICIPANTS.insert(), asdict(participant) | {"email": email})


def participant(connection: Connection, participant_id: str) -> Participant | None:
    """One participant, None if unknown."""
    row = connection.execute(_participants().where(PARTICIPANTS.c.id == participant_id)).mappings().first()
    return None if row is None else _participant(row)


def participant_by_email(connection: Connection, email: str) -> Participant | None:
    """The participant who signs in with `email`, whatever its case."""
    row = connection.execute(_participants().where(PARTICIPANTS.c.email == email.strip().lower())).mappings().first()
    return None if row is None else _participant(row)


def participants(connection: Connection, *, role: str | None = None) -> tuple[Participant, ...]:
    """All participants, or those of one role, by id."""
    query = _participants().order_by(PARTICIPANTS.c.id)
    if role is not None:
        query = query.where(PARTICIPANTS.c.role == role)
    return tuple(_participant(row) for row in connection.execute(query).mappings())


def set_status(connection: Connection, participant_id: str, status: str) -> None:
    """Make a participant `active` or `suspended`. Raises InputError for an unknown one."""
    assert status in {"active", "suspended"}
    changed = connection.execute(
        update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant_id).values(status=status)
    ).rowcount
    if not changed:
        raise InputError(f"there is no member {participant_id!r}")


def change_participant(connection: Connection, participant: Participant) -> None:
    """Store what a known participant is called and reached by; lane, role, tax class and passwords stay."""
    email = None if participant.email is None else participant.email.strip().lower()
    values = {"display_name": participant.display_name, "email": email}
    connection.execute(update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant.id).values(**values))


def set_account_address(connection: Connection, participant_id: str, address: str) -> None:
    """Store the address at which a member's wallet, or the platform for the member, holds the key."""
    connection.execute(update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant_id).values(account_address=address))


def add_metering_point(connection: Connection, point: MeteringPoint) -> None:
    """Insert a new metering point of a known participant."""
    connection.execute(POINTS.insert(), asdict(point))


def change_metering_point(connection: Connection, point: MeteringPoint) -> None:
    """Store the place, rating and nameplates of a known metering point."""
    connection.execute(update(POINTS).where(POINTS.c.id == point.id).values(**asdict(point)))


def metering_points(connection: Connection, *, participant_id: str | None = None) -> tuple[MeteringPoint, ...]:
    """All metering points, or those of one participant, by id."""
    query = select(POINTS).order_by(POINTS.c.id)
    if participant_id is not None:
        query = query.where(POINTS.c.participant_id == participant_id)
    return tuple(MeteringPoint(**row) for row in connection.execute(query).mappings())


def metering_point(connection: Connection, point_id: str) -> MeteringPoint | None:
    """One metering point, None if unknown."""
    row = connection.execute(select(POINTS).where(POINTS.c.id == point_id)).mappings().first()
    return None if row is None else MeteringPoint(**row)


def locked_metering_point(connection: Connection, point_id: str) -> MeteringPoint | None:
    """One metering point, held so that two transactions cannot both use what is left of its rating."""
    row = connection.execute(select(POINTS).where(POINTS.c.id == point_id).with_for_update()).mappings().first()
    return None if row is None else MeteringPoint(**row)


def add_contract(connection: Connection, contract: SupplyContract) -> None:
    """Add a supply contract; the one that was open before ends where this one begins."""
    connection.execute(
        update(CONTRACTS)
        .where(
            CONTRACTS.c.participant_id == contract.participant_id,
            CONTRACTS.c.valid_from_s < contract.valid_from_s,
            or_(CONTRACTS.c.valid_to_s.is_(None), CONTRACTS.c.valid_to_s > contract.valid_from_s),
        )
        .values(valid_to_s=contract.valid_from_s)
    )
    connection.execute(CONTRACTS.insert(), asdict(contract))


def end_contract(connection: Connection, participant_id: str, *, end_s: int) -> None:
    """From `end_s` on the participant has no contract: the market does not see the home any more."""
    connection.execute(
        update(CONTRACTS)
        .where(CONTRACTS.c.participant_id == participant_id)
        .where(or_(CONTRACTS.c.valid_to_s.is_(None), CONTRACTS.c.valid_to_s > end_s))
        .values(valid_to_s=end_s)
    )


def contracts_at(connection: Connection, instant_s: int) -> dict[str, SupplyContract]:
    """The contract of every participant that has one at `instant_s`, by participant."""
    rows = connection.execute(_contracts_at(instant_s)).mappings()
    return {str(row["participant_id"]): _contract(row) for row in rows}


def contract_spans(connection: Connection) -> dict[str, tuple[tuple[int, int], ...]]:
    """When each participant has or had contracts: [from, to) by participant, `to` far away where it is open."""
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    rows = connection.execute(select(CONTRACTS).order_by(CONTRACTS.c.valid_from_s)).mappings()
    for row in rows:
        span = (row["valid_from_s"], OPEN_END_S if row["valid_to_s"] is None else row["valid_to_s"])
        spans[row["participant_id"]] = (*spans.get(row["participant_id"], ()), span)
    return spans


def contracts_of(connection: Connection, participant_id: str) -> tuple[SupplyContract, ...]:
    """Every contract of a participant, past, present and planned, the earliest first."""
    query = select(CONTRACTS).where(CONTRACTS.c.participant_id == participant_id).order_by(CONTRACTS.c.valid_from_s)
    return tuple(_contract(row) for row in connection.execute(query).mappings())


def contract_at(connection: Connection, participant_id: str, instant_s: int) -> SupplyContract | None:
    """A participant's contract at `instant_s`, None without one."""
    query = _contracts_at(instant_s).where(CONTRACTS.c.participant_id == participant_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _contract(row)


def save_preference(connection: Connection, preference: Preference) -> None:
    """Store a participant's standing limits in place of the earlier ones."""
    columns = ("sell_at_least_micro_per_kwh", "buy_at_most_micro_per_kwh", "autonomy", "trading_paused", "changed_s")
    upsert(connection, PREFERENCES, [asdict(preference)], replacing=columns)
    upsert(connection, PREFERENCE_VERSIONS, [asdict(preference)], replacing=columns[:-1])


def preferences_at(connection: Connection, instant_s: int) -> dict[str, Preference]:
    """Every preference as it was at `instant_s`, by participant; who had none kept the defaults."""
    query = select(PREFERENCE_VERSIONS).where(PREFERENCE_VERSIONS.c.changed_s <= instant_s)
    rows = connection.execute(query.order_by(PREFERENCE_VERSIONS.c.changed_s)).mappings()
    return {str(row["participant_id"]): Preference(**row) for row in rows}


def preference_of(connection: Connection, participant_id: str) -> Preference:
    """A participant's preference, the defaults if none is stored."""
    query = select(PREFERENCES).where(PREFERENCES.c.participant_id == participant_id)
    row = connection.execute(query).mappings().first()
    return Preference(participant_id=participant_id) if row is None else Preference(**row)


def _participants() -> Select[tuple[object, ...]]:
    return select(*(PARTICIPANTS.c[name] for name in Participant.__dataclass_fields__))


def _participant(row: RowMapping) -> Participant:
    return Participant(**row)


def _contracts_at(instant_s: int) -> Select[tuple[object, ...]]:
    return (
        select(CONTRACTS)
        .where(
            CONTRACTS.c.valid_from_s <= instant_s,
            or_(CONTRACTS.c.valid_to_s.is_(None), CONTRACTS.c.valid_to_s > instant_s),
        )
        .order_by(CONTRACTS.c.valid_from_s)
    )


def _contract(row: RowMapping) -> SupplyContract:
    return SupplyContract(**{name: row[name] for name in SupplyContract.__dataclass_fields__})
