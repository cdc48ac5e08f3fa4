"""The record of what meters contribute and of what the rules find in it, kept up to date beside the market."""

from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from app.local_time import day_of
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.contributions import record_day, recorded_until_s, utc_days_with_news
from app.validation import examine_day

EVERY_S = 3600
DAY_S = 86_400


def keep_contributions(engine: Engine, now_s: int) -> int:
    """Record and examine every local day for which something came in, at most once an hour; how many days.

    Readings that arrive days late correct the record of their day.
    """
    with reading(engine) as connection:
        since_s = recorded_until_s(connection)
        if now_s - since_s < EVERY_S:
            return 0
        community = the_community(connection)
        zone, interval_s = ZoneInfo(community.timezone), community.market_time_unit_s
        news = utc_days_with_news(connection, since_s=since_s)
    instants = [instant for day in news for instant in (day * DAY_S, (day + 1) * DAY_S - 1)]
    # A day without any energy is one of silence, and the last hour of yesterday came in today.
    instants += [now_s - DAY_S, now_s - 1]
    days = {day_of(instant, zone, interval_s) for instant in instants if instant < now_s}
    for day in sorted(days, key=lambda each: each.date):
        with writing(engine) as connection:
            record_day(connection, day, now_s=now_s)
            examine_day(connection, day, now_s=now_s)
    return len(days)
