"""One ledger after another: the successor is announced, a week passes, and it takes over every balance.

Both steps may be repeated: what a crash cut off is completed. Gateways go on signing for the community's first ledger,
so that no reading and no statement of before loses its proof.
"""

from dataclasses import dataclass

from sqlalchemy import Engine

from app.audit import AuditEntry, record
from app.errors import InputError
from app.ledger_access import LedgerAccess
from app.storage.database import reading, writing
from app.storage.store.community import save_successor, the_community
from contracts.ledger import CONTRACT, SettlementLedger
from contracts.published import ContractRefusedError, artifact

ACTOR = "operator at the command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """The ledger now, and the successor that is announced: from when it may take over, None without one."""

    ledger: str
    is_published: bool
    successor: str | None
    from_s: int | None


def succession(access: LedgerAccess) -> Succession:
    """What the ledger says of its succession."""
    announced = access.ledger.successor()
    return Succession(
        ledger=access.ledger.address,
        is_published=access.ledger.has_published_code(),
        successor=None if announced is None else announced[0],
        from_s=None if announced is None else announced[1],
    )


def announce_successor(engine: Engine, access: LedgerAccess, *, now_s: int) -> Succession:
    """Deploy a ledger of this version and announce it as the one that takes over in a week; once."""
    if access.ledger.successor() is not None:
        return succession(access)
    with reading(engine) as connection:
        currency = the_community(connection).currency
    old = access.ledger.address
    heir = SettlementLedger.deploy(access.outbox, currency=currency, predecessor=old)
    access.ledger.announce_successor(heir.address)
    with writing(engine) as connection:
        entry = AuditEntry(
            at_s=now_s, actor=ACTOR, action="ledger.announce", subject=heir.address, detail=f"after {old}"
        )
        record(connection, entry)
    return succession(access)


def hand_over(engine: Engine, access: LedgerAccess, *, now_s: int) -> SettlementLedger:
    """Close the ledger for good and let its successor copy members, balances and sequence; the ledger from now on.

    Raises InputError before the week is over, and where no successor is announced.
    """
    announced = access.ledger.successor()
    if announced is None:
        raise InputError("no successor is announced: `commonwatt ledger announce` first, and a week later this")
    try:
        access.ledger.hand_over()
    except ContractRefusedError as error:
        if error.name != "SuccessionTooEarly":
            raise
        raise InputError("the week since the announcement is not over: see `commonwatt ledger status`") from error
    heir = SettlementLedger(access.outbox.w3, announced[0], outbox=access.outbox)
    heir.adopt()
    with writing(engine) as connection:
        save_successor(connection, ledger_address=heir.address, ledger_code_hash=artifact(CONTRACT)["runtime_hash"])
        detail = f"in the place of {access.ledger.address}"
        record(
            connection,
            AuditEntry(at_s=now_s, actor=ACTOR, action="ledger.hand-over", subject=heir.address, detail=detail),
        )
    return heir
