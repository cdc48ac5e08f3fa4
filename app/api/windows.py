"""A household's windows: energy for a battery, a car or a heat pump between two moments."""

import secrets
from dataclasses import asdict

from apiflask import APIBlueprint
from sqlalchemy import Connection

from app.access import Access, access, viewer
from app.agents.windows import DeviceClass, WindowOrder
from app.api.idempotency import once, takes_key
from app.api.orders import REFUSED, problem_of
from app.api.schemas import SpanQuery
from app.api.spans import checked
from app.api.window_schemas import PlannedAnswer, WindowAnswer, WindowRequest, WindowsAnswer
from app.audit import AuditEntry, record
from app.order_entry import OrderRefusedError
from app.platform import platform
from app.scopes import Scope
from app.storage.database import reading, writing
from app.storage.store.windows import windows_of
from app.window_entry import cancel_window_by_hand, place_window_by_hand
from app.window_plans import WindowPlan, window_plans

window_api = APIBlueprint("window_api", __name__, tag="Orders")


@window_api.get("/windows")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@window_api.input(SpanQuery, location="query")
@window_api.output(WindowsAnswer)
def list_windows(query_data: SpanQuery) -> WindowsAnswer:
    """Your windows that reach into the span, cancelled ones included, with what is planned for them."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        placed = windows_of(connection, viewer().id, start_s=span.start_s, end_s=span.end_s)
        plans = window_plans(connection, placed, now_s=platform().now_s())
    return WindowsAnswer(windows=[_answer(plan) for plan in plans])


@window_api.post("/windows")
@access(Access.HOUSEHOLD, Scope.OWN_TRADE)
@window_api.input(WindowRequest)
@window_api.output(WindowAnswer, status_code=201)
@window_api.doc(responses=REFUSED)
@takes_key
def place(json_data: WindowRequest) -> WindowAnswer:
    """Ask for energy over a window: your agent decides in which intervals, and bids for it.

    Refused for windows that are over or whose gates are closed, for more energy than the power brings in the window,
    beside another window of the same connection, and for a connection that is not yours.
    """
    member, now_s = viewer().id, platform().now_s()
    # The member's own name space, as with orders.
    window_id = f"{member}:{json_data.window_id or secrets.token_hex(8)}"
    asked = json_data.model_dump() | {"window_id": window_id, "device": DeviceClass(json_data.device)}

    def placed(connection: Connection) -> WindowAnswer:
        window = place_window_by_hand(connection, WindowOrder(**asked, participant=member), now_s=now_s)
        record(connection, AuditEntry(at_s=now_s, actor=member, action="window placed", subject=window_id))
        (plan,) = window_plans(connection, [window], now_s=now_s)
        return _answer(plan)

    try:
        return once(WindowAnswer, placed)
    except OrderRefusedError as error:
        raise problem_of(error) from error


@window_api.delete("/windows/<window_id>")
@access(Access.HOUSEHOLD, Scope.OWN_TRADE)
@window_api.output(WindowAnswer)
@window_api.doc(responses=REFUSED)
def cancel(window_id: str) -> WindowAnswer:
    """Cancel your window. What was bought for it stays bought."""
    member, now_s = viewer().id, platform().now_s()
    try:
        with writing(platform().engine) as connection:
            cancelled = cancel_window_by_hand(connection, window_id, participant_id=member, now_s=now_s)
            record(connection, AuditEntry(at_s=now_s, actor=member, action="window cancelled", subject=window_id))
            (plan,) = window_plans(connection, [cancelled], now_s=now_s)
    except OrderRefusedError as error:
        raise problem_of(error) from error
    return _answer(plan)


def _answer(plan: WindowPlan) -> WindowAnswer:
    values = asdict(plan.placed.window)
    del values["participant"]
    return WindowAnswer(
        **values,
        placed_s=plan.placed.placed_s,
        cancelled_s=plan.placed.cancelled_s,
        drawn_wh=plan.traded.drawn_wh,
        given_wh=plan.traded.given_wh,
        planned=[PlannedAnswer(start_s=start_s, energy_wh=wh) for start_s, wh in plan.planned_wh.items()],
    )
