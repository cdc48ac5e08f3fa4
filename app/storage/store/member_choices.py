"""What members chose about notices and about staying."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.store.members import PARTICIPANTS
from app.storage.tables import core_table

CHOICES = core_table(tables.MemberChoiceRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChoice:
    """A member's choices.

    by_mail         notices come by e-mail too; those up to mailed_s were sent
    notices_seen_s  notices up to then were looked at
    leave_asked_s   since when the member asks to leave, None who stays; leave_erases: and to erase the proofs
    """

    participant_id: str
    by_mail: bool = False
    mailed_s: int = 0
    notices_seen_s: int = 0
    leave_asked_s: int | None = None
    leave_erases: bool = False


def choice_of(connection: Connection, participant_id: str) -> MemberChoice:
    """A member's choices, the defaults if none is stored."""
    row = connection.execute(select(CHOICES).where(CHOICES.c.participant_id == participant_id)).mappings().first()
    return MemberChoice(participant_id=participant_id) if row is None else MemberChoice(**row)


def save_choice(connection: Connection, choice: MemberChoice) -> None:
    """Store a member's choices in place of the earlier ones."""
    columns = tuple(name for name in MemberChoice.__dataclass_fields__ if name != "participant_id")
    upsert(connection, CHOICES, [asdict(choice)], replacing=columns)


def choices_by_mail(connection: Connection) -> tuple[MemberChoice, ...]:
    """The choices of who wants notices by e-mail, by member."""
    rows = connection.execute(select(CHOICES).where(CHOICES.c.by_mail).order_by(CHOICES.c.participant_id)).mappings()
    return tuple(MemberChoice(**row) for row in rows)


def who_asks_to_leave(connection: Connection) -> tuple[str, ...]:
    """Names of active members who ask to leave, who asked first first."""
    query = (
        select(PARTICIPANTS.c.display_name)
        .join(CHOICES, CHOICES.c.participant_id == PARTICIPANTS.c.id)
        .where(CHOICES.c.leave_asked_s.is_not(None), PARTICIPANTS.c.status == "active")
        .order_by(CHOICES.c.leave_asked_s, PARTICIPANTS.c.id)
    )
    return tuple(connection.execute(query).scalars())
