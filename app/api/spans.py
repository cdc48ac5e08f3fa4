"""Spans of time that callers ask for."""

from app.api.schemas import SpanQuery
from app.problems import ProblemError

SPAN_S_MAX = 62 * 86_400


def checked(span: SpanQuery) -> SpanQuery:
    """The span if it is one and not longer than two months. Raises ProblemError otherwise."""
    if not 0 < span.end_s - span.start_s <= SPAN_S_MAX:
        raise ProblemError(400, "span", f"Ask for start_s < end_s and at most {SPAN_S_MAX} seconds at a time.")
    return span
