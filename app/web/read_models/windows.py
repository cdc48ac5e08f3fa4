"""A household's windows that are not over, with what their devices had so far."""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.agents.windows import NOTHING_YET, WindowOrder, content_mwh
from app.storage.store.windows import traded_by_window, windows_of

DAYS_AHEAD_S = 8 * 86_400
"""Longer than any window may reach beyond the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowProgress:
    """A window, and what is in its device or decided for it by now, Wh."""

    window: WindowOrder
    content_wh: int


def current_windows(connection: Connection, participant_id: str, *, now_s: int) -> tuple[WindowProgress, ...]:
    """Windows of a participant that stand and are not over, by their begin."""
    placed = windows_of(connection, participant_id, start_s=now_s, end_s=now_s + DAYS_AHEAD_S)
    standing = [each.window for each in placed if each.cancelled_s is None]
    traded = traded_by_window(connection, [each.window_id for each in standing], before_s=now_s + DAYS_AHEAD_S)
    return tuple(
        WindowProgress(window=window, content_wh=content_mwh(window, traded.get(window.window_id, NOTHING_YET)) // 1000)
        for window in standing
    )
