"""Verify this bill: a member's own month, or a file from anywhere, recomputed by the code of `commonwatt verify`."""

from dataclasses import dataclass

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage

from app.auth_pages import limiter
from app.bill_check import CheckedStep, steps_of
from app.errors import InputError
from app.platform import platform
from app.statement_proof import proof_document
from app.statements import months_with_data
from app.storage.database import reading
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id
from app.web.views.statements import asked_month
from contracts.rpc_client import dispatched_rpc
from contracts.statement import Checkpoint, UnreadableStatementError, load_checkpoint, load_statement
from contracts.verify import ChainAnswerError, verify_statement

CHECK_LIMITS = "6 per minute; 60 per hour"
"""A month is a second of work or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was checked: whose month, the lines by step, and whether an older statement was there to compare with."""

    member: str
    month: str
    steps: tuple[CheckedStep, ...]
    count: int
    with_checkpoint: bool

    @property
    def holds(self) -> bool:
        return all(step.holds for step in self.steps)


@household.get("/verify")
def verify_bill() -> str:
    """What can be checked, and how to check it without this server."""
    return _page()


@household.post("/verify")
@limiter.limit(CHECK_LIMITS)
def check_bill() -> ResponseReturnValue:
    """Recompute the chosen month or the file that was sent."""
    dispatch = platform().chain_rpc
    if dispatch is None:
        return _page(error=_("The ledger cannot be read from here just now. Try again later.")), 503
    try:
        document = _document()
        checkpoint = _checkpoint()
        proofs = verify_statement(document, dispatched_rpc(dispatch), checkpoint=checkpoint)
    except (UnreadableStatementError, InputError) as error:
        return _page(error=str(error)), 422
    except (ConnectionError, ChainAnswerError):
        return _page(error=_("The ledger does not answer just now. Nothing was checked; try again later.")), 503
    checked = Checked(
        member=str(document.get("member", "")),
        month=str(document.get("month", "")),
        steps=steps_of(proofs),
        count=len(proofs),
        with_checkpoint=checkpoint is not None,
    )
    return _page(checked=checked)


def _document() -> dict[str, object]:
    sent = _sent("statement")
    if sent is not None:
        try:
            return load_statement(sent.read())
        except UnreadableStatementError as error:
            raise UnreadableStatementError(_("This file is no statement: %(error)s.", error=error)) from error
    month = asked_month(request.form.get("month", ""))
    with reading(engine()) as connection:
        return proof_document(connection, participant_id(), month)


def _checkpoint() -> Checkpoint | None:
    sent = _sent("older")
    if sent is None:
        return None
    try:
        return load_checkpoint(sent.read())
    except UnreadableStatementError as error:
        raise UnreadableStatementError(_("The older statement: %(error)s.", error=error)) from error


def _sent(name: str) -> FileStorage | None:
    """The file of this field; an empty field is sent as a file without a name."""
    if len(request.files) > 2:
        abort(400, _("Send one statement, and one older one at most."))
    sent = request.files.get(name)
    return sent if sent is not None and sent.filename else None


def _page(*, checked: Checked | None = None, error: str = "") -> str:
    with reading(engine()) as connection:
        months = months_with_data(connection, participant_id(), zone=page().zone, now_s=page().now_s)
    return render_template("household/verify.html", months=months, checked=checked, error=error)
