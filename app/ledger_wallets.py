"""Wallets on the ledger: a member who binds another wallet sees the balance there, as a token that cannot be sent."""

from typing import Protocol

import structlog
from sqlalchemy import Engine
from web3.types import TxReceipt

from app.storage.database import reading, writing
from app.storage.store.members import participants
from app.storage.store.wallets import mark_shown, wallet_moves
from contracts.published import ContractRefusedError

log = structlog.get_logger(__name__)


class ShowsBalances(Protocol):
    """Shows each member's balance to one wallet, moving it once for a business id. Raises ChainUnreachable."""

    def account_lane(self, account: str) -> int | None: ...
    def move_account(self, business_id: str, *, lane: int, before: str | None, after: str | None) -> TxReceipt: ...
    def has_published_code(self) -> bool: ...


def bring_wallets_to_ledger(engine: Engine, ledger: ShowsBalances) -> list[str]:
    """Tell the ledger of wallets that were bound since; the members whose wallet it knows now.

    A ledger of an earlier version keeps the wallets it was given until a successor takes over. Raises ChainUnreachable.
    """
    with reading(engine) as connection:
        waiting = wallet_moves(connection)
        lanes = {person.id: person.lane for person in participants(connection)}
    if not waiting or not ledger.has_published_code():
        return []
    done = []
    for move in waiting:
        lane = lanes[move.participant_id]
        assert lane is not None
        try:
            if ledger.account_lane(move.after) != lane:
                known = move.before if move.before and ledger.account_lane(move.before) == lane else None
                ledger.move_account(str(move.id), lane=lane, before=known, after=move.after)
        except ContractRefusedError as error:
            log.warning("a wallet waits for the ledger", member=move.participant_id, reason=str(error))
            continue
        with writing(engine) as connection:
            mark_shown(connection, move)
        done.append(move.participant_id)
    return done
