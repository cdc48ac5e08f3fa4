"""Treasurers whom the configuration names: people who keep the accounts and have no home in the community."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from app.audit import ENTRIES, AuditEntry, record
from app.community_settings import TreasurerSettings
from app.errors import InputError
from app.storage.store.members import (
    Participant,
    add_participant,
    change_participant,
    participant,
    set_status,
)

CONFIGURED = "treasurer.configured"


def keep_treasurers(connection: Connection, treasurers: Sequence[TreasurerSettings], *, now_s: int) -> list[str]:
    """Add who is new, bring names and emails up to date, suspend who was named before and is gone; a line each.

    Treasurers who were made otherwise are left alone. Raises InputError for an id that is somebody else's.
    """
    done: list[str] = []
    for each in treasurers:
        done += _kept(connection, each, now_s=now_s)
    named = {each.id for each in treasurers}
    before = connection.execute(select(ENTRIES.c.subject).where(ENTRIES.c.action == CONFIGURED).distinct()).scalars()
    for gone in sorted(set(before) - named):
        person = participant(connection, gone)
        if person is not None and not person.is_suspended:
            set_status(connection, gone, "suspended")
            done.append(f"treasurer {gone} is not in the configuration any more: suspended")
    return done


def _kept(connection: Connection, each: TreasurerSettings, *, now_s: int) -> list[str]:
    known = participant(connection, each.id)
    email = each.email.strip().lower()
    person = Participant(id=each.id, display_name=each.name, email=email, role="treasurer", created_s=now_s)
    if known is None:
        add_participant(connection, person)
        record(connection, AuditEntry(at_s=now_s, actor="operator", action=CONFIGURED, subject=each.id))
        return [f"treasurer {each.id} added"]
    if known.role != "treasurer":
        raise InputError(f"treasurers: id {each.id!r} is somebody else's: choose another")
    done = []
    if known.is_suspended:
        set_status(connection, each.id, "active")
        done.append(f"treasurer {each.id} is back")
    if (known.display_name, known.email) != (person.display_name, person.email):
        change_participant(connection, person)
        done.append(f"treasurer {each.id} changed: name or email")
    return done
