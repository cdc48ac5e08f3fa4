"""A member's statements: every line of a month, and the same as PDF, CSV and file of proofs."""

from apiflask import APIBlueprint
from flask import Response
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from app.access import Access, access
from app.api.files import Answers, file_answer
from app.scopes import Scope
from app.statements import ITEM_TEXT
from app.web.views import statements as pages
from contracts.bills import Bill

PROOF: Answers = {
    200: {
        "description": "What `commonwatt verify` and the verifier that stands alone are given",
        "content": {"application/json": {"schema": {"type": "object"}, "example": {}}},
    }
}
statement_api = APIBlueprint("statement_api", __name__, tag="Your home")


class BillLineAnswer(BaseModel):
    """One line: + is what you pay. `energy_wh` is 0 where a line is for no energy."""

    item: str
    text: str
    energy_wh: int
    amount_cents: int


class BillAnswer(BaseModel):
    """Lines that are not empty, and what they come to."""

    lines: list[BillLineAnswer]
    total_cents: int


class StatementAnswer(BaseModel):
    """A month: what the community bills, what your supplier bills, and what it would be with your supplier alone.

    Of `ended_count` intervals that are over, `settled_count` are settled; `provisional` until the month is final.
    """

    month: str
    currency: str
    provisional: bool
    settled_count: int
    ended_count: int
    substituted_count: int
    community: BillAnswer
    supplier: BillAnswer
    total_cents: int
    supplier_only_cents: int


@statement_api.get("/statements/<month>")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@statement_api.output(StatementAnswer)
def statement(month: str) -> StatementAnswer:
    """One month, line by line."""
    found = pages.own_statement(month)
    return StatementAnswer(
        month=found.month.key,
        currency=found.currency,
        provisional=found.provisional,
        settled_count=found.settled_count,
        ended_count=found.ended_count,
        substituted_count=found.substituted_count,
        community=_bill(found.community),
        supplier=_bill(found.supplier),
        total_cents=found.full.total_cents,
        supplier_only_cents=found.supplier_only.total_cents,
    )


@statement_api.get("/statements/<month>.pdf")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@statement_api.doc(responses=file_answer("application/pdf", "The month as a tagged PDF"))
def statement_pdf(month: str) -> Response:
    """One month as PDF."""
    return pages.statement_pdf_file(month)


@statement_api.get("/statements/<month>.csv")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@statement_api.doc(responses=file_answer("text/csv", "The month as CSV, amounts in whole cents"))
def statement_csv(month: str) -> Response:
    """One month as CSV."""
    return pages.statement_csv_file(month)


@statement_api.get("/statements/<month>/proof")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@statement_api.doc(responses=PROOF)
def statement_proof(month: str) -> ResponseReturnValue:
    """One month with everything needed to verify it elsewhere."""
    return pages.statement_proof_file(month)


def _bill(bill: Bill) -> BillAnswer:
    return BillAnswer(
        lines=[
            BillLineAnswer(
                item=line.item,
                text=str(ITEM_TEXT[line.item]),
                energy_wh=line.energy_wh,
                amount_cents=line.amount_cents,
            )
            for line in bill.lines
            if line.amount_nano or line.energy_wh
        ],
        total_cents=bill.total_cents,
    )
