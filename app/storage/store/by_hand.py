"""Members that operators keep in the browser."""

from sqlalchemy import Connection, delete, select

from app.storage.operation_tables import MemberByHand
from app.storage.tables import core_table

BY_HAND = core_table(MemberByHand)


def add_by_hand(connection: Connection, participant_id: str, *, added_s: int) -> None:
    """From now on this member is kept in the browser."""
    connection.execute(BY_HAND.insert(), {"participant_id": participant_id, "added_s": added_s})


def no_longer_by_hand(connection: Connection, participant_id: str) -> None:
    """The configuration has taken this member over, if they were kept in the browser."""
    connection.execute(delete(BY_HAND).where(BY_HAND.c.participant_id == participant_id))


def is_by_hand(connection: Connection, participant_id: str) -> bool:
    """Whether operators keep this member in the browser."""
    return participant_id in members_by_hand(connection)


def members_by_hand(connection: Connection) -> frozenset[str]:
    """Everybody who is kept in the browser."""
    return frozenset(connection.execute(select(BY_HAND.c.participant_id)).scalars())
