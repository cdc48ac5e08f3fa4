"""A member's own account, and the treasurer's invoices, payments and bank statements."""

from urllib.parse import urlsplit

from apiflask import APIBlueprint
from sqlalchemy import Connection

from app.access import Access, access, viewer
from app.accounts import account_of, all_accounts
from app.api.account_schemas import (
    AccountAnswer,
    AccountsAnswer,
    BankAnswer,
    BankRequest,
    InvoiceAnswer,
    PaidRequest,
    PaymentAnswer,
    SignatureRequest,
    UnmatchedAnswer,
    WalletAnswer,
    WalletMessage,
    WalletRequest,
)
from app.api.idempotency import once, takes_key
from app.bank_statement import import_bank_statement
from app.errors import InputError
from app.payments import InvoiceState, PaymentRefusedError, mark_paid
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading, writing
from app.storage.store.accounts import Payment
from app.wallets import Site, WalletRefusedError, begin_binding, bind_wallet

account_api = APIBlueprint("account_api", __name__, tag="Accounts")


@account_api.get("/account")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@account_api.output(AccountAnswer)
def own_account() -> AccountAnswer:
    """Your balance, credit limit, invoices and payments."""
    with reading(platform().engine) as connection:
        account = account_of(connection, viewer().id, now_s=platform().now_s())
    return AccountAnswer(
        balance_nano=account.balance_nano,
        credit_limit_nano=account.credit_limit_nano,
        invoices=[_invoice(each) for each in account.invoices],
        payments=[_payment(each) for each in account.payments],
    )


@account_api.post("/account/wallet")
@access(Access.HOUSEHOLD, Scope.OWN_WRITE)
@account_api.input(WalletRequest)
@account_api.output(WalletMessage)
@account_api.doc(responses={409: "This address cannot be bound"})
def ask_for_wallet(json_data: WalletRequest) -> WalletMessage:
    """Ask for the message that binds a wallet of your own."""
    base_url = platform().settings.web.base_url
    site = Site(domain=urlsplit(base_url).netloc, uri=base_url)
    try:
        with writing(platform().engine) as connection:
            message = begin_binding(connection, viewer().id, json_data.address, site=site, now_s=platform().now_s())
    except WalletRefusedError as error:
        raise ProblemError(409, error.slug, str(error)) from error
    return WalletMessage(message=message)


@account_api.put("/account/wallet")
@access(Access.HOUSEHOLD, Scope.OWN_WRITE)
@account_api.input(SignatureRequest)
@account_api.output(WalletAnswer)
@account_api.doc(responses={409: "The signature binds no wallet"})
def bind_own_wallet(json_data: SignatureRequest) -> WalletAnswer:
    """Bind the wallet that signed the message."""
    try:
        with writing(platform().engine) as connection:
            address = bind_wallet(connection, viewer().id, json_data.signature, now_s=platform().now_s())
    except WalletRefusedError as error:
        raise ProblemError(409, error.slug, str(error)) from error
    return WalletAnswer(address=address)


@account_api.get("/treasury")
@access(Access.TREASURER, Scope.TREASURY_READ)
@account_api.output(AccountsAnswer)
def accounts() -> AccountsAnswer:
    """Every invoice and payment."""
    with reading(platform().engine) as connection:
        invoices, payments = all_accounts(connection)
    return AccountsAnswer(
        invoices=[_invoice(each) for each in invoices], payments=[_payment(each) for each in payments]
    )


@account_api.post("/treasury/invoices/<invoice_id>/payments")
@access(Access.TREASURER, Scope.TREASURY_WRITE)
@account_api.input(PaidRequest)
@account_api.output(PaymentAnswer, status_code=201)
@account_api.doc(responses={409: "This invoice has nothing left to pay"})
@takes_key
def record_payment(invoice_id: str, json_data: PaidRequest) -> PaymentAnswer:
    """The money of an invoice has moved at the bank."""
    actor, now_s = viewer().id, platform().now_s()

    def paid(connection: Connection) -> PaymentAnswer:
        return _payment(
            mark_paid(connection, invoice_id, amount_cents=json_data.amount_cents, actor=actor, now_s=now_s)
        )

    try:
        return once(PaymentAnswer, paid)
    except PaymentRefusedError as error:
        raise ProblemError(404 if error.slug == "unknown-invoice" else 409, error.slug, str(error)) from error


@account_api.post("/treasury/bank-statements")
@access(Access.TREASURER, Scope.TREASURY_WRITE)
@account_api.input(BankRequest)
@account_api.output(BankAnswer)
def take_bank_statement(json_data: BankRequest) -> BankAnswer:
    """Post the payments of the bank's statement. The same file again posts nothing; one wrong line and nothing is."""
    try:
        with writing(platform().engine) as connection:
            result = import_bank_statement(
                connection, json_data.csv.splitlines(), actor=viewer().id, now_s=platform().now_s()
            )
    except InputError as error:
        raise ProblemError(422, "bank-statement", f"{error}.") from error
    return BankAnswer(
        posted=[_payment(each) for each in result.posted],
        known=result.known,
        confirmed=result.confirmed,
        unmatched=[
            UnmatchedAnswer(line=each.line.line, amount_cents=each.line.amount_cents, reason=each.reason)
            for each in result.unmatched
        ],
    )


def _invoice(each: InvoiceState) -> InvoiceAnswer:
    invoice = each.invoice
    return InvoiceAnswer(
        id=invoice.id,
        member=invoice.participant_id,
        month=invoice.month,
        number=invoice.number,
        total_cents=invoice.total_cents,
        due_cents=each.due_cents,
        state=each.state,
        reference=invoice.reference,
        issued_s=invoice.issued_s,
    )


def _payment(each: Payment) -> PaymentAnswer:
    return PaymentAnswer(
        id=each.id,
        invoice=each.invoice_id,
        member=each.participant_id,
        amount_cents=each.amount_cents,
        booked_on=each.booked_on,
        bank_reference=each.bank_reference,
        tx_hash=each.tx_hash,
    )
