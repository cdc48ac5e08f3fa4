"""What is in the ledger, for everybody: read from the chain, told in plain words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.auth_pages import limiter
from app.platform import platform
from app.storage.database import reading
from app.storage.store.chain import newest_transactions
from app.web.context import engine, page
from app.web.formats import Formats
from app.web.views.origin import source_text
from app.web.views.public import public
from contracts.explorer import (
    LedgerEvent,
    LedgerTransaction,
    certificate_supplies,
    ledger_state,
    transaction_of,
)
from contracts.fields import FieldError
from contracts.rpc_client import dispatched_rpc
from contracts.verify import ChainAnswerError
from contracts.verify_chain import ledgers_of

EXPLORER_LIMITS = "30 per minute"
TRANSACTIONS_SHOWN = 25
LARGEST_NONCE = 2**53
SYSTEM_TEXT = {
    "platform_fee": lazy_gettext("Platform fees collected"),
    "grid_fee": lazy_gettext("Grid fees collected"),
    "levies": lazy_gettext("Levies collected"),
    "vat": lazy_gettext("VAT collected"),
    "congestion": lazy_gettext("Held for congestion"),
    "rounding": lazy_gettext("Carried from rounding to cents"),
    "market": lazy_gettext("Between buyers and sellers"),
    "treasury": lazy_gettext("Credit issued, as a debt of the treasury"),
}


@public.get("/explorer")
@limiter.limit(EXPLORER_LIMITS)
def explorer() -> ResponseReturnValue:
    """State of the ledger, and what was written into it, newest first."""
    community, dispatch = page().community, platform().chain_rpc
    if community is None or community.ledger_address is None or dispatch is None:
        return render_template("public/explorer.html", state=None, trouble="")
    rpc, ledger, certificates = dispatched_rpc(dispatch), community.ledger_address, community.certificates_address
    with reading(engine()) as connection:
        written = newest_transactions(connection, below_nonce=_below(), count=TRANSACTIONS_SHOWN + 1)
    try:
        state = ledger_state(rpc, ledger)
        contracts = [*(ledgers_of(rpc, ledger) if state is not None else ()), *filter(None, [certificates])]
        supplies = certificate_supplies(rpc, certificates) if certificates is not None else ()
        shown = [transaction_of(rpc, tx_hash, contracts) for _, tx_hash in written[:TRANSACTIONS_SHOWN]]
    except (ConnectionError, ChainAnswerError, FieldError):
        return render_template(
            "public/explorer.html", state=None, trouble=_("The ledger does not answer just now.")
        ), 503
    if state is None:
        trouble = _("The chain that answers has no such ledger: it is not the community's.")
        return render_template("public/explorer.html", state=None, trouble=trouble), 503
    older = written[TRANSACTIONS_SHOWN - 1][0] if len(written) > TRANSACTIONS_SHOWN else None
    return render_template(
        "public/explorer.html",
        state=state,
        trouble="",
        system_text=SYSTEM_TEXT,
        supplies=supplies,
        source_text=source_text(),
        entries=[(each, told(each, page().fmt)) for each in shown],
        older_url=None if older is None else url_for("public.explorer", before=older),
    )


def _below() -> int:
    asked = request.args.get("before")
    if asked is None:
        return LARGEST_NONCE
    if not (asked.isascii() and asked.isdigit()) or int(asked) > LARGEST_NONCE:
        abort(404, _("There is nothing in the ledger at that place."))
    return int(asked)


def told(transaction: LedgerTransaction, fmt: Formats) -> list[str]:
    """What a transaction did, a sentence each."""
    if transaction.block_number is None:
        return [_("Signed and on its way; not in the ledger yet.")]
    if not transaction.succeeded:
        return [_("Refused by the ledger's rules; nothing changed.")]
    return list(dict.fromkeys(_sentence(event, fmt) for event in transaction.events)) or [_("Changed nothing here.")]


_SENTENCES: Mapping[str, Callable[[Formats, Sequence[Any]], str]] = {
    "BatchSettled": lambda fmt, values: _(
        "Batch %(number)s: settled %(first)s to %(last)s.",
        number=values[0],
        first=_moment(fmt, values[1]),
        last=_moment(fmt, values[2]),
    ),
    "MembersRegistered": lambda _fmt, values: _("%(count)s members got their place.", count=values[1]),
    "AccountMoved": lambda *_unused: _("A member's balance is shown to another wallet, or to none."),
    "Issued": lambda fmt, values: _("%(money)s of credit was issued to a member who paid.", money=fmt.money(values[1])),
    "Redeemed": lambda fmt, values: _("%(money)s of credit was paid out to a member.", money=fmt.money(values[1])),
    "SuccessorAnnounced": lambda fmt, values: _(
        "A new ledger was announced; it takes over after %(moment)s.", moment=_moment(fmt, values[1])
    ),
    "SuccessorWithdrawn": lambda *_unused: _("The new ledger that was announced does not take over."),
    "HandedOver": lambda *_unused: _("This ledger ended, and its successor took over."),
    "BalancesAdopted": lambda *_unused: _("Balances were copied from the ledger before."),
    "RoleGranted": lambda *_unused: _("It was written down who may settle, issue and pause."),
    "RoleRevoked": lambda *_unused: _("It was written down who may no longer settle, issue or pause."),
    "Paused": lambda *_unused: _("The ledger was paused."),
    "Unpaused": lambda *_unused: _("The ledger goes on."),
    "PlantAdmitted": lambda *_unused: _("A plant joined those whose energy is certified here."),
    "Attested": lambda _fmt, values: _(
        "What plants generated in %(count)s intervals was written down.", count=len(values[0])
    ),
    "Minted": lambda _fmt, values: _("Certificates were issued for %(count)s intervals.", count=len(values[1])),
    "Retired": lambda _fmt, values: _(
        "Certificates of %(count)s intervals were retired for what members consumed.", count=len(values[1])
    ),
    "Corrected": lambda fmt, values: _(
        "%(energy)s of certificates were burned: less was generated than had been thought.",
        energy=fmt.energy(values[2]),
    ),
    "": lambda *_unused: _("Something this page has no words for."),
}


def _sentence(event: LedgerEvent, fmt: Formats) -> str:
    return _SENTENCES[event.name](fmt, event.values)


def _moment(fmt: Formats, instant_s: int) -> str:
    """A moment; anything can be on a chain, and not all of it is a date."""
    return fmt.moment(instant_s) if instant_s < datetime(2100, 1, 1, tzinfo=UTC).timestamp() else str(instant_s)


@public.get("/verify_statement.py")
def verifier_script() -> Response:
    """The script that verifies a statement with none of this project's code."""
    content = files("contracts").joinpath("standalone/verify_statement.py").read_bytes()
    headers = {"Content-Disposition": 'attachment; filename="verify_statement.py"'}
    return Response(content, content_type="text/x-python; charset=utf-8", headers=headers)
