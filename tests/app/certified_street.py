"""The street after the final run of its month: everything settled, certified and on a chain of its own."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from app.certificate_run import bring_certificates, prepare_certificates
from app.ledger_access import open_ledger, settler_key
from app.month_runs import run_due_months
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from tests.app.community_day import ZONE, CommunityDay, StandingClock

LATER = datetime(2016, 7, 20, tzinfo=ZONE)


def certified_street(street: CommunityDay, folder: Path) -> CommunityDay:
    """A copy of the street in `folder`, in July."""
    later = replace(street.copy(folder), chain=Path(shutil.copy(street.chain, folder / "chain")), now=LATER)
    clock, engine = StandingClock(LATER), later.open()
    access = open_ledger(
        engine,
        chain=later.chain,
        key=settler_key(folder / "settler", seed="street"),
        clock=clock,
        lock_path=folder / "settler.lock",
    )
    desk = SettlementDesk(engine=engine, clock=clock, ledger=access.ledger)
    settle_due_periods(desk)
    run_due_months(desk)
    while prepare_certificates(engine) is not None:
        pass
    anchor_batches(desk)
    bring_certificates(engine, lambda: access.certificates)
    access.close()
    engine.dispose()
    return later
