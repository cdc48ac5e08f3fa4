"""What a member should know and did not ask for: derived from what is stored, so that nothing is told twice or late.

Shown behind the bell; by e-mail too for who wants that (`post_notices`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, select

from app.credit import beyond_limit_nano
from app.languages import marked, translations
from app.local_time import LocalMonth, month_of
from app.mail import Letter, post
from app.payments import state_of
from app.storage import tables
from app.storage.database import reading, writing
from app.storage.store.accounts import invoices_of
from app.storage.store.community import Community, find_community, the_community
from app.storage.store.findings import open_findings
from app.storage.store.member_choices import MemberChoice, choice_of, choices_by_mail, save_choice
from app.storage.store.members import metering_points, participant
from app.storage.tables import core_table
from app.web.formats import LOCALES, Formats

HEADS = core_table(tables.DeviceHead)
DEVICES = core_table(tables.Device)
SILENT_S = 6 * 3600
"""A meter of which nothing was heard for so long is silent: a restarted router is no news."""

KEPT_S = 60 * 86_400
"""Older news are none."""

TEXTS: Mapping[str, str] = {
    "statement": marked("Your invoice of %(month)s is ready: %(amount)s."),
    "credit": marked("Your invoice of %(month)s is ready: you get %(amount)s."),
    "due": marked("%(amount)s is due for %(month)s."),
    "silent": marked("Your meter %(device)s is silent since %(moment)s."),
    "doubted": marked("The readings of %(day)s are being checked."),
    "refused": marked("Your orders to buy are refused: you owe %(amount)s more than your credit limit."),
}
"""What is said, by kind of notice."""

NEWS, MORE = marked("There is news about your home."), marked("More at %(address)s")

LEADS_TO: Mapping[str, str] = {
    "statement": "household.account",
    "credit": "household.account",
    "due": "household.account",
    "silent": "household.devices",
    "doubted": "household.devices",
    "refused": "household.account",
}
"""The page that says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to know since `at_s`; which of the other figures its text has depends on the kind.

    stands   still so now, where others are only told
    since_s  since when a meter is silent, hours before that is known
    """

    kind: str
    at_s: int
    stands: bool
    cents: int = 0
    month: str = ""
    device: str = ""
    since_s: int = 0
    day: str = ""

    def text(self, fmt: Formats, translated: Callable[[str], str] = str) -> str:
        """The notice for a reader."""
        month = fmt.month(LocalMonth.parse(self.month, fmt.zone).first) if self.month else ""
        values = {
            "month": month,
            "amount": fmt.cents(abs(self.cents)),
            "device": self.device,
            "moment": fmt.moment(self.since_s),
            "day": fmt.short_day(date.fromisoformat(self.day)) if self.day else "",
        }
        return translated(TEXTS[self.kind]) % values


def notices_of(connection: Connection, participant_id: str, *, now_s: int) -> tuple[Notice, ...]:
    """A member's notices of the last weeks, newest first."""
    found = [
        *_of_invoices(connection, participant_id),
        *_of_meters(connection, participant_id, now_s),
        *_of_readings(connection, participant_id, now_s),
    ]
    beyond_nano = beyond_limit_nano(connection, participant_id, at_s=now_s)
    if beyond_nano:
        month_s = month_of(now_s, ZoneInfo(the_community(connection).timezone)).start_s
        since_s = max((each.at_s for each in found if each.kind == "due"), default=month_s)
        found.append(Notice(kind="refused", at_s=since_s, stands=True, cents=-(-beyond_nano // 10_000_000)))
    kept = [each for each in found if now_s - KEPT_S <= each.at_s <= now_s]
    return tuple(sorted(kept, key=lambda each: (-each.at_s, each.kind)))


def unread(notices: tuple[Notice, ...], choice: MemberChoice) -> int:
    """How many came since the member last looked."""
    return sum(each.at_s > choice.notices_seen_s for each in notices)


def _of_invoices(connection: Connection, participant_id: str) -> list[Notice]:
    found = []
    for invoice in invoices_of(connection, participant_id):
        kind = "statement" if invoice.total_cents >= 0 else "credit"
        issued = Notice(kind=kind, at_s=invoice.issued_s, stands=False, cents=invoice.total_cents, month=invoice.month)
        found.append(issued)
        due_cents = state_of(connection, invoice).due_cents
        if due_cents > 0:
            found.append(replace(issued, kind="due", stands=True, cents=due_cents))
    return found


def _of_meters(connection: Connection, participant_id: str, now_s: int) -> list[Notice]:
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    query = (
        select(DEVICES.c.id, func.max(HEADS.c.end_s))
        .join(HEADS, HEADS.c.device_id == DEVICES.c.id)
        .where(DEVICES.c.metering_point_id.in_(points))
        .group_by(DEVICES.c.id)
    )
    return [
        Notice(kind="silent", at_s=int(end_s) + SILENT_S, stands=True, device=device, since_s=int(end_s))
        for device, end_s in connection.execute(query)
        if now_s - end_s > SILENT_S
    ]


def _of_readings(connection: Connection, participant_id: str, now_s: int) -> list[Notice]:
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    since = f"{datetime.fromtimestamp(now_s - KEPT_S, UTC):%Y-%m-%d}"
    doubts = [each for each in open_findings(connection, points=points, since=since) if each.doubts]
    found_s = {each.day: each.found_s for each in sorted(doubts, key=lambda each: -each.found_s)}
    return [Notice(kind="doubted", at_s=at_s, stands=True, day=day) for day, at_s in found_s.items()]


def post_notices(engine: Engine, *, base_url: str, language: str, now_s: int) -> int:
    """Put what is new into a letter to each member who wants letters; how many letters."""
    with reading(engine) as connection:
        community, wanting = find_community(connection), choices_by_mail(connection)
    if community is None:
        return 0
    fmt = Formats(locale=LOCALES[language][0], zone=ZoneInfo(community.timezone), currency=community.currency)
    return sum(_post(engine, community, choice, fmt, base_url=base_url, now_s=now_s) for choice in wanting)


def _post(
    engine: Engine, community: Community, choice: MemberChoice, fmt: Formats, *, base_url: str, now_s: int
) -> bool:
    said = translations(fmt.language).gettext
    with writing(engine) as connection:
        member = participant(connection, choice.participant_id)
        now = choice_of(connection, choice.participant_id)
        news = [each for each in notices_of(connection, choice.participant_id, now_s=now_s) if each.at_s > now.mailed_s]
        if member is None or member.email is None or not now.by_mail or not news:
            return False
        lines = [f"- {each.text(fmt, said)}" for each in news]
        more = said(MORE) % {"address": f"{base_url}/notices"}
        text = "\n".join([said(NEWS), "", *lines, "", more, ""])
        subject = news[0].text(fmt, said) if len(news) == 1 else said(NEWS)
        post(connection, Letter(to=member.email, subject=f"{community.name}: {subject}", text=text), now_s=now_s)
        save_choice(connection, replace(now, mailed_s=max(each.at_s for each in news)))
    return True
