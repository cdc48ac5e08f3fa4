"""What is in the ledger, for everybody: read from the chain, told in plain words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

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
from contracts.rpc_client import dispatched_rpc
from contracts.verify import ChainAnswerError

EXPLORER_LIMITS = "30 per minute"
TRANSACTIONS_SHOWN = 25
LARGEST_NONCE = 2**53
SYSTEM_TEXT = {
    "platform_fee": "Platform fees collected",
    "grid_fee": "Grid fees collected",
    "levies": "Levies collected",
    "vat": "VAT collected",
    "congestion": "Held for congestion",
    "rounding": "Carried from rounding to cents",
    "market": "Between buyers and sellers",
    "treasury": "Credit issued, as a debt of the treasury",
}


@public.get("/explorer")
@limiter.limit(EXPLORER_LIMITS)
def explorer() -> ResponseReturnValue:
    """State of the ledger, and what was written into it, newest first."""
    community, dispatch = page().community, platform().chain_rpc
    if community is None or community.ledger_address is None or dispatch is None:
        return render_template("public/explorer.html", state=None, trouble="")
    rpc, ledger, certificates = dispatched_rpc(dispatch), community.ledger_address, community.certificates_address
    contracts = [address for address in (ledger, certificates) if address is not None]
    with reading(engine()) as connection:
        written = newest_transactions(connection, below_nonce=_below(), count=TRANSACTIONS_SHOWN + 1)
    try:
        state = ledger_state(rpc, ledger)
        supplies = certificate_supplies(rpc, certificates) if certificates is not None else ()
        shown = [transaction_of(rpc, tx_hash, contracts) for _, tx_hash in written[:TRANSACTIONS_SHOWN]]
    except (ConnectionError, ChainAnswerError):
        return render_template("public/explorer.html", state=None, trouble="The ledger does not answer just now."), 503
    if state is None:
        trouble = "The chain that answers has no such ledger: it is not the community's."
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
        abort(404, "There is nothing in the ledger at that place.")
    return int(asked)


def told(transaction: LedgerTransaction, fmt: Formats) -> list[str]:
    """What a transaction did, a sentence each."""
    if transaction.block_number is None:
        return ["Signed and on its way; not in the ledger yet."]
    if not transaction.succeeded:
        return ["Refused by the ledger's rules; nothing changed."]
    return list(dict.fromkeys(_sentence(event, fmt) for event in transaction.events)) or ["Changed nothing here."]


_SENTENCES: Mapping[str, Callable[[Formats, Sequence[Any]], str]] = {
    "BatchSettled": lambda fmt, values: (
        f"Batch {values[0]}: settled {_moment(fmt, values[1])} to {_moment(fmt, values[2])}."
    ),
    "MembersRegistered": lambda _, values: f"{values[1]} members got their place.",
    "Issued": lambda fmt, values: f"{fmt.money(values[1])} of credit was issued to a member who paid.",
    "Redeemed": lambda fmt, values: f"{fmt.money(values[1])} of credit was paid out to a member.",
    "SuccessorAnnounced": lambda fmt, values: (
        f"A new ledger was announced; it takes over after {_moment(fmt, values[1])}."
    ),
    "SuccessorWithdrawn": lambda *_: "The new ledger that was announced does not take over.",
    "HandedOver": lambda *_: "This ledger ended, and its successor took over.",
    "BalancesAdopted": lambda *_: "Balances were copied from the ledger before.",
    "RoleGranted": lambda *_: "It was written down who may settle, issue and pause.",
    "RoleRevoked": lambda *_: "It was written down who may no longer settle, issue or pause.",
    "Paused": lambda *_: "The ledger was paused.",
    "Unpaused": lambda *_: "The ledger goes on.",
    "PlantAdmitted": lambda *_: "A plant joined those whose energy is certified here.",
    "Attested": lambda _, values: f"What plants generated in {len(values[0])} intervals was written down.",
    "Minted": lambda _, values: f"Certificates were issued for {len(values[1])} intervals.",
    "Retired": lambda _, values: f"Certificates of {len(values[1])} intervals were retired for what members consumed.",
    "Corrected": lambda fmt, values: (
        f"{fmt.energy(values[2])} of certificates were burned: less was generated than had been thought."
    ),
    "": lambda *_: "Something this page has no words for.",
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
