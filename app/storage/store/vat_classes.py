"""The classes of value-added tax a member is and was in."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.store.members import PARTICIPANTS
from app.storage.tables import core_table

CHANGES = core_table(tables.VatClassChangeRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class VatHistory:
    """The class a member joined with, and later ones as (valid from, class), oldest first."""

    first: str
    changes: tuple[tuple[int, str], ...] = ()

    def at(self, instant_s: int) -> str:
        """The class that holds at an instant."""
        return next((name for since_s, name in reversed(self.changes) if since_s <= instant_s), self.first)

    def held_until(self, instant_s: int) -> frozenset[str]:
        """Every class that held at an instant or before."""
        return frozenset({self.first} | {name for since_s, name in self.changes if since_s <= instant_s})


def vat_histories(connection: Connection) -> dict[str, VatHistory]:
    """The history of every participant, by participant."""
    changes: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in connection.execute(select(CHANGES).order_by(CHANGES.c.valid_from_s)).mappings():
        changes[row["participant_id"]].append((row["valid_from_s"], row["vat_class"]))
    firsts = connection.execute(select(PARTICIPANTS.c.id, PARTICIPANTS.c.vat_class))
    return {member: VatHistory(first=first, changes=tuple(changes[member])) for member, first in firsts}


def vat_history(connection: Connection, participant_id: str) -> VatHistory:
    """The history of a known participant."""
    return vat_histories(connection)[participant_id]


def changed_classes_at(connection: Connection, instant_s: int) -> dict[str, str]:
    """The class at an instant of every participant who is not in the first one any more."""
    query = select(CHANGES).where(CHANGES.c.valid_from_s <= instant_s).order_by(CHANGES.c.valid_from_s)
    return {row["participant_id"]: row["vat_class"] for row in connection.execute(query).mappings()}


def save_vat_change(connection: Connection, participant_id: str, *, valid_from_s: int, vat_class: str) -> None:
    """From an instant on the member is in another class; a change at the same instant is replaced."""
    row = {"participant_id": participant_id, "valid_from_s": valid_from_s, "vat_class": vat_class}
    upsert(connection, CHANGES, [row], replacing=("vat_class",))
