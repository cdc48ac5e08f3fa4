"""Keys that the platform keeps for members, and messages that wallets are asked to sign."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select, update

from app.storage import account_tables, tables
from app.storage.store.bulk import insert_all, upsert
from app.storage.tables import core_table

KEYS = core_table(tables.MemberKeyRow)
MOVES = core_table(account_tables.WalletMoveRow)
CHALLENGES = core_table(tables.WalletChallengeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberKey:
    """A member's key, encrypted: an Ethereum keystore (version 3) as JSON."""

    participant_id: str
    address: str
    keystore_json: str
    made_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletChallenge:
    """The message that a member's wallet is asked to sign until `expires_s`."""

    participant_id: str
    address: str
    message: str
    expires_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletMove:
    """A member's balance is to be shown to the address `after` in the place of `before`; `id` as it was kept."""

    participant_id: str
    before: str | None
    after: str
    id: int | None = None


def add_wallet_move(connection: Connection, move: WalletMove) -> None:
    """Keep what the ledger is to learn, in the order of keeping."""
    values = {"participant_id": move.participant_id, "before": move.before, "after": move.after}
    connection.execute(MOVES.insert(), values)


def wallet_moves(connection: Connection) -> tuple[WalletMove, ...]:
    """What the ledger does not know yet, in its order."""
    query = select(MOVES.c.participant_id, MOVES.c.before, MOVES.c.after, MOVES.c.id).where(~MOVES.c.shown)
    return tuple(WalletMove(**row) for row in connection.execute(query.order_by(MOVES.c.id)).mappings())


def mark_shown(connection: Connection, move: WalletMove) -> None:
    """The ledger knows the move."""
    connection.execute(update(MOVES).where(MOVES.c.id == move.id).values(shown=True))


def add_member_key(connection: Connection, key: MemberKey) -> None:
    """Keep a new key; a second for the same member raises IntegrityError."""
    insert_all(connection, KEYS, [asdict(key)])


def member_key_of(connection: Connection, participant_id: str) -> MemberKey | None:
    """The key that the platform keeps for a member, None without one."""
    row = connection.execute(select(KEYS).where(KEYS.c.participant_id == participant_id)).mappings().first()
    return None if row is None else MemberKey(**row)


def save_challenge(connection: Connection, challenge: WalletChallenge) -> None:
    """Ask for a signature, in the place of what was asked for before."""
    upsert(connection, CHALLENGES, [asdict(challenge)], replacing=("address", "message", "expires_s"))


def challenge_of(connection: Connection, participant_id: str) -> WalletChallenge | None:
    """What a member was asked to sign last and has not signed yet."""
    query = select(CHALLENGES).where(CHALLENGES.c.participant_id == participant_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else WalletChallenge(**row)


def spend_challenge(connection: Connection, participant_id: str) -> None:
    """The message was signed: it cannot be used again."""
    connection.execute(delete(CHALLENGES).where(CHALLENGES.c.participant_id == participant_id))
