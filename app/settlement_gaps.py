"""What is missing of the data that settled intervals rest on: the list for operators, and the gate of invoices."""

from collections.abc import Collection

from sqlalchemy import Connection

from app.storage.store.members import contract_spans, metering_points
from app.storage.store.settlement_runs import Gap, gaps_of


def gaps_in(
    connection: Connection, *, start_s: int, end_s: int, participants: Collection[str] | None = None
) -> tuple[Gap, ...]:
    """Gaps of all members or some, in the settled intervals of [start_s, end_s) for which they have a contract."""
    spans = contract_spans(connection)
    points = {
        point.id: spans.get(point.participant_id, ())
        for point in metering_points(connection)
        if participants is None or point.participant_id in participants
    }
    return gaps_of(connection, points, start_s=start_s, end_s=end_s)
