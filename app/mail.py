"""Letters by e-mail: posted in the transaction of the deed they tell of, delivered later.

`post` only writes a row, so a dead mail server blocks nobody and loses nothing; `app.mail_delivery` hands the rows to
the server. Ask `platform().settings.mail` first whether there is one: without it nothing is ever delivered.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.audit import AuditEntry, record
from app.mail_settings import is_mail_address
from app.storage import tables
from app.storage.tables import core_table

LETTERS = core_table(tables.LetterRow)
LINK = "{link}"
WORTH_S = 3 * 86_400
SUBJECT_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter of plain text to one address.

    sign_in_for  a participant: where `text` says {link}, a link that signs this person in once within an
                 hour is put when the letter is sent
    worth_s      seconds after which the letter tells nothing any more and is not sent
    """

    to: str
    subject: str
    text: str
    sign_in_for: str | None = None
    worth_s: int = WORTH_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Letters that wait: how many, since when the oldest does, and what the last failure said."""

    waiting: int
    oldest_s: int | None
    failure: str


def post(connection: Connection, letter: Letter, *, now_s: int) -> bool:
    """Put a letter into the outbox, in the caller's transaction; whether its address is one.

    What has no such address is noted in the audit log instead: a wrong address must not stop the deed it tells of.
    """
    subject = " ".join(letter.subject.split())[:SUBJECT_CHARACTERS_MAX]
    if not is_mail_address(letter.to):
        entry = AuditEntry(
            at_s=now_s, actor="mail", action="letter undeliverable", subject=letter.to[:100], detail=subject
        )
        record(connection, entry)
        return False
    row = {
        "id": uuid.uuid4().hex,
        "to_address": letter.to,
        "subject": subject,
        "text": letter.text,
        "sign_in_for": letter.sign_in_for,
        "posted_s": now_s,
        "expires_s": now_s + letter.worth_s,
        "tries": 0,
        "next_try_s": now_s,
        "failure": "",
    }
    connection.execute(LETTERS.insert(), row)
    return True


def mailbox(connection: Connection) -> Mailbox:
    """What waits for the mail server now."""
    count, oldest_s = connection.execute(select(func.count(), func.min(LETTERS.c.posted_s))).one()
    latest = select(LETTERS.c.failure).where(LETTERS.c.tries > 0).order_by(LETTERS.c.next_try_s.desc()).limit(1)
    return Mailbox(waiting=count, oldest_s=oldest_s, failure=connection.execute(latest).scalar() or "")
