"""What a person is here: a member, and what else of the community's work is theirs.

`household` comes with a metering point and is never given or taken here; the others are staff, and one person may have
several: a neighbour who keeps the accounts is a member and a treasurer.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import Connection, update

from app.audit import AuditEntry, record
from app.errors import InputError
from app.storage.store.members import PARTICIPANTS, Participant, participant, participants


class Role(StrEnum):
    """household sees its own data; operator runs everything and sees no home's consumption; treasurer keeps accounts;
    grid_viewer sees network, rounds and devices; support sees members and devices.
    """

    HOUSEHOLD = "household"
    OPERATOR = "operator"
    TREASURER = "treasurer"
    GRID_VIEWER = "grid_viewer"
    SUPPORT = "support"


STAFF = (Role.OPERATOR, Role.TREASURER, Role.GRID_VIEWER, Role.SUPPORT)


def give_roles(
    connection: Connection, participant_id: str, roles: Iterable[str], *, actor: str, now_s: int
) -> Participant:
    """Let a person have exactly these staff roles from now on; the deed is audited, and only if it changes something.

    Raises InputError for an unknown person or role, for staff left without any role, and for a community left without
    an operator.
    """
    person = participant(connection, participant_id)
    if person is None:
        raise InputError(f"there is no member {participant_id!r}")
    wanted = _known(roles)
    is_member = person.role == Role.HOUSEHOLD
    if not wanted and not is_member:
        raise InputError(f"{person.display_name} is no member and needs at least one role")
    if wanted == tuple(role for role in STAFF if role in person.roles):
        return person
    if Role.OPERATOR in person.roles and Role.OPERATOR not in wanted and operators(connection) == (person.id,):
        raise InputError(f"{person.display_name} is the only operator: make somebody else one first")
    role, extra = (Role.HOUSEHOLD, wanted) if is_member else (wanted[0], wanted[1:])
    values = {"role": str(role), "extra_roles": " ".join(extra)}
    connection.execute(update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant_id).values(**values))
    entry = AuditEntry(
        at_s=now_s, actor=actor, action="roles given", subject=participant_id, detail=", ".join(wanted) or "none"
    )
    record(connection, entry)
    changed = participant(connection, participant_id)
    assert changed is not None
    return changed


def operators(connection: Connection) -> tuple[str, ...]:
    """Everybody who is an operator now, by id."""
    return tuple(person.id for person in participants(connection) if Role.OPERATOR in person.roles)


def _known(roles: Iterable[str]) -> tuple[Role, ...]:
    named = set(roles)
    unknown = sorted(named - set(STAFF))
    if unknown:
        raise InputError(f"{unknown[0]!r} is no role: use {', '.join(STAFF)}")
    return tuple(role for role in STAFF if role in named)
