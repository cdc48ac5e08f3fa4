"""A member's own account: balance, invoices with what to type into the bank transfer, payments."""

from flask import render_template

from app.accounts import account_of
from app.storage.database import reading
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id


@household.get("/account")
def account() -> str:
    """What the member owes or is owed, and how it is paid."""
    with reading(engine()) as connection:
        found = account_of(connection, participant_id(), now_s=page().now_s)
    return render_template("household/account.html", account=found)
