"""Payments on the ledger: the treasury issues what came in and redeems what went out, in the order of recording."""

from typing import Protocol

import structlog
from sqlalchemy import Engine
from web3.types import TxReceipt

from app.storage.database import reading, writing
from app.storage.store.accounts import mark_on_ledger, payments
from app.storage.store.members import participants
from app.storage.store.settlement import unfinished_batches
from contracts.bills import NANO_PER_CENT
from contracts.published import ContractRefusedError

log = structlog.get_logger(__name__)


class Treasury(Protocol):
    """Issues and redeems each business id once. Raises ChainUnreachable, and ContractRefusedError above a balance."""

    def issue(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt: ...
    def redeem(self, business_id: str, *, lane: int, amount_nano: int) -> TxReceipt: ...


def bring_payments_to_ledger(engine: Engine, treasury: Treasury) -> list[str]:
    """Issue and redeem what is not on the ledger yet, behind all prepared batches; the payments that are there now.

    What the ledger refuses, because its balance does not reach yet, waits. Raises ChainUnreachable.
    """
    with reading(engine) as connection:
        waiting = [each for each in payments(connection) if each.tx_hash is None]
        lanes = {person.id: person.lane for person in participants(connection)}
        if waiting and unfinished_batches(connection):
            return []
    done = []
    for payment in waiting:
        lane, amount_nano = lanes[payment.participant_id], abs(payment.amount_cents) * NANO_PER_CENT
        assert lane is not None
        move = treasury.issue if payment.amount_cents > 0 else treasury.redeem
        try:
            receipt = move(payment.id, lane=lane, amount_nano=amount_nano)
        except ContractRefusedError as error:
            log.warning("a payment waits for the ledger", payment=payment.id, reason=str(error))
            continue
        with writing(engine) as connection:
            mark_on_ledger(connection, payment.id, tx_hash="0x" + bytes(receipt["transactionHash"]).hex())
        done.append(payment.id)
    return done
