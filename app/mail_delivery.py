"""The postman: hands letters to the mail server, one after the other, and again later what it did not take.

A letter is claimed before it is sent, by putting off its next try, so several processes may run a postman each. Sent
twice it can only be when a process dies between the server's word and its own note; both carry the same Message-ID.
"""

import smtplib
import ssl
import threading
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import structlog
from sqlalchemy import Connection, Engine, RowMapping, delete, select, update
from sqlalchemy.exc import DBAPIError

from app.audit import AuditEntry, record
from app.auth import RECOVERY, RECOVERY_S, issue_sign_in_code
from app.config import Settings
from app.mail import LETTERS, LINK
from app.mail_settings import MailSettings
from app.notices import post_notices
from app.storage.database import reading, writing
from meters.clock import Clock

PAUSE_S = 5.0
SERVER_S_MAX = 20.0
FIRST_WAIT_S, LONGEST_WAIT_S = 60, 3600
FAILURE_CHARACTERS_MAX = 200

log = structlog.get_logger(__name__)


class ServerAwayError(Exception):
    """The mail server does not answer, or refuses to deal with us: all letters wait."""


class LetterRefusedError(Exception):
    """The mail server will never take this letter."""


class LetterPutOffError(Exception):
    """The mail server may take this letter later."""


class Postman:
    """`deliver` now and then, or `run` in a thread of its own."""

    def __init__(self, settings: Settings, engine: Engine, clock: Clock) -> None:
        assert settings.mail is not None
        self._mail = settings.mail
        self._base_url = settings.web.base_url
        self._language = settings.web.language
        self._engine = engine
        self._clock = clock
        self._said = ""

    def run(self, stopped: threading.Event) -> None:
        """Deliver until stopped. What the database cannot do now is tried again."""
        while not stopped.is_set():
            try:
                post_notices(self._engine, base_url=self._base_url, language=self._language, now_s=self._now_s())
                self.deliver()
            except DBAPIError as error:
                log.warning("letters wait for the database", reason=" ".join(str(error.orig).split()))
            stopped.wait(PAUSE_S)

    def deliver(self) -> int:
        """Hand every letter that is due to the server, until it turns out to be away; how many it took."""
        taken = 0
        while (row := self._claim()) is not None:
            try:
                send(self._mail, self._written(row))
            except ServerAwayError as error:
                self._put_off(row, str(error))
                self._say(str(error))
                return taken
            except LetterPutOffError as error:
                self._put_off(row, str(error))
            except LetterRefusedError as error:
                self._give_up(row, str(error))
            else:
                taken += 1
                self._done(row)
            self._said = ""
        return taken

    def _claim(self) -> RowMapping | None:
        """The next letter that is due; nobody else tries it until its next try. Those of no more worth are dropped."""
        now_s = self._now_s()
        with reading(self._engine) as connection:  # most of the time nothing waits: no writer's lock for that
            if connection.execute(select(LETTERS.c.id).where(LETTERS.c.next_try_s <= now_s).limit(1)).first() is None:
                return None
        with writing(self._engine) as connection:
            due = select(LETTERS).where(LETTERS.c.next_try_s <= now_s).order_by(LETTERS.c.next_try_s, LETTERS.c.id)
            for row in connection.execute(due.with_for_update(skip_locked=True).limit(100)).mappings().all():
                if row["expires_s"] <= now_s:
                    self._drop(connection, row, row["failure"] or "too old")
                    continue
                wait_s = min(FIRST_WAIT_S << min(row["tries"], 10), LONGEST_WAIT_S)
                later = {"tries": row["tries"] + 1, "next_try_s": now_s + wait_s}
                connection.execute(update(LETTERS).where(LETTERS.c.id == row["id"]).values(**later))
                return row
        return None

    def _written(self, row: RowMapping) -> EmailMessage:
        text = str(row["text"])
        if row["sign_in_for"] is not None:
            with writing(self._engine) as connection:
                code = issue_sign_in_code(
                    connection, row["sign_in_for"], now_s=self._now_s(), purpose=RECOVERY, lifetime_s=RECOVERY_S
                )
            text = text.replace(LINK, f"{self._base_url}/sign-in/link/{code}")
        message = EmailMessage(policy=SMTP)
        message["From"] = self._mail.sender
        message["To"] = row["to_address"]
        message["Subject"] = row["subject"]
        message["Date"] = datetime.fromtimestamp(row["posted_s"], UTC)
        message["Message-ID"] = f"<{row['id']}@{self._mail.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    def _put_off(self, row: RowMapping, failure: str) -> None:
        with writing(self._engine) as connection:
            said = {"failure": failure[:FAILURE_CHARACTERS_MAX]}
            connection.execute(update(LETTERS).where(LETTERS.c.id == row["id"]).values(**said))

    def _give_up(self, row: RowMapping, failure: str) -> None:
        with writing(self._engine) as connection:
            self._drop(connection, row, failure)

    def _done(self, row: RowMapping) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(LETTERS).where(LETTERS.c.id == row["id"]))

    def _drop(self, connection: Connection, row: RowMapping, failure: str) -> None:
        connection.execute(delete(LETTERS).where(LETTERS.c.id == row["id"]))
        detail = f"{row['subject']}: {failure}"[:FAILURE_CHARACTERS_MAX]
        entry = AuditEntry(
            at_s=self._now_s(), actor="mail", action="letter undeliverable", subject=row["to_address"], detail=detail
        )
        record(connection, entry)

    def _now_s(self) -> int:
        return int(self._clock().timestamp())

    def _say(self, reason: str) -> None:
        if reason != self._said:
            log.warning("letters wait for the mail server", reason=reason)
        self._said = reason


def send(mail: MailSettings, message: EmailMessage) -> None:
    """Hand one letter to the server. Raises one of the three errors above when it was not taken."""
    try:
        with _connected(mail) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, reason),) = error.recipients.values()
        raise _refusal(code, reason) from error
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise ServerAwayError(f"{mail.host}:{mail.port}: {' '.join(str(error).split())}") from error


def _connected(mail: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=None if mail.ca_file is None else str(mail.ca_file))
    if mail.encryption == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=SERVER_S_MAX, context=context)
    else:
        server = smtplib.SMTP(mail.host, mail.port, timeout=SERVER_S_MAX)
    try:
        if mail.encryption == "starttls":
            server.starttls(context=context)
        if mail.password_file is not None:
            server.login(mail.user, mail.password_file.read_text(encoding="utf-8").strip())
    except BaseException:
        server.close()
        raise
    return server


def _refusal(code: int, reason: bytes | str) -> LetterRefusedError | LetterPutOffError:
    text = f"{code} {reason.decode(errors='replace') if isinstance(reason, bytes) else reason}"
    return LetterRefusedError(text) if code >= 500 else LetterPutOffError(text)


def start_postman(settings: Settings, engine: Engine, clock: Clock, stopped: threading.Event) -> None:
    """Deliver letters in a thread of this process, if a mail server is configured."""
    if settings.mail is not None:
        postman = Postman(settings, engine, clock)
        threading.Thread(target=postman.run, args=(stopped,), name="postman", daemon=True).start()
