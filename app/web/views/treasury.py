"""The treasurer's pages: invoices, payments, and the bank's statement."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import Access, declare, viewer
from app.accounts import all_accounts
from app.bank_statement import BankImport, import_bank_statement
from app.errors import InputError
from app.payments import PaymentRefusedError, mark_paid
from app.storage.database import reading, writing
from app.web.context import engine, page
from app.web.numbers import TypedNumberError, typed_cents

treasury = Blueprint("treasury", __name__, url_prefix="/treasury")
declare(treasury, Access.TREASURER)


@treasury.get("")
def accounts() -> str:
    """Invoices and payments of everybody."""
    return _render(None)


@treasury.post("/invoices/<invoice_id>/paid")
def mark_invoice_paid(invoice_id: str) -> Response:
    """The money of an invoice has moved, all of it or the amount that was typed."""
    typed = request.form.get("amount", "").strip()
    try:
        with writing(engine()) as connection:
            payment = mark_paid(
                connection,
                invoice_id,
                amount_cents=typed_cents(typed) if typed else None,
                actor=viewer().id,
                now_s=page().now_s,
            )
    except (PaymentRefusedError, TypedNumberError) as error:
        flash(str(error), "bad")
    else:
        flash(
            _(
                "Recorded: %(amount)s for %(invoice)s.",
                amount=page().fmt.cents(payment.amount_cents),
                invoice=invoice_id,
            ),
            "good",
        )
    return redirect(url_for("treasury.accounts"))


@treasury.post("/bank")
def import_bank() -> Response | str | tuple[str, int]:
    """Take in the bank's statement, a CSV file."""
    file = request.files.get("file")
    if file is None or not file.filename:
        abort(400, _("Choose the bank's CSV file."))
    try:
        lines = file.read().decode("utf-8-sig").splitlines()
        with writing(engine()) as connection:
            result = import_bank_statement(connection, lines, actor=viewer().id, now_s=page().now_s)
    except UnicodeDecodeError:
        flash(_("The file is not text in UTF-8: export it as CSV."), "bad")
        return redirect(url_for("treasury.accounts"))
    except InputError as error:
        flash(_("Nothing was taken from %(filename)s: %(error)s.", filename=file.filename[:60], error=error), "bad")
        return redirect(url_for("treasury.accounts"))
    return _render(result)


def _render(result: BankImport | None) -> str:
    with reading(engine()) as connection:
        invoices, payments = all_accounts(connection)
    return render_template("treasury/accounts.html", invoices=invoices, payments=payments, result=result)
