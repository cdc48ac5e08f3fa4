"""A member's own account: balance, invoices with what to type into the bank transfer, payments, and a wallet."""

from urllib.parse import urlsplit

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.accounts import account_of
from app.platform import platform
from app.storage.database import reading, writing
from app.wallets import Site, WalletRefusedError, begin_binding, bind_wallet
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id


@household.get("/account")
def account() -> str:
    """What the member owes or is owed, and how it is paid."""
    with reading(engine()) as connection:
        found = account_of(connection, participant_id(), now_s=page().now_s)
    return render_template("household/account.html", account=found, address=viewer().account_address)


@household.post("/account/wallet")
def ask_for_wallet() -> Response | str:
    """Show the message to sign with a wallet of one's own."""
    try:
        with writing(engine()) as connection:
            message = begin_binding(
                connection,
                participant_id(),
                request.form.get("address", "").strip(),
                site=this_site(),
                now_s=page().now_s,
            )
    except WalletRefusedError as error:
        flash(str(error), "bad")
        return redirect(url_for("household.account"))
    return render_template("household/wallet.html", message=message)


@household.post("/account/wallet/signature")
def take_signature() -> Response:
    """Bind the wallet that signed."""
    try:
        with writing(engine()) as connection:
            address = bind_wallet(
                connection, participant_id(), request.form.get("signature", "").strip(), now_s=page().now_s
            )
    except WalletRefusedError as error:
        flash(str(error), "bad")
    else:
        flash(_("Your wallet %(address)s is bound to your account.", address=address), "good")
    return redirect(url_for("household.account"))


def this_site() -> Site:
    """The site that the message names: another's page cannot have it signed for itself."""
    uri = platform().settings.web.base_url
    return Site(domain=urlsplit(uri).netloc, uri=uri)
