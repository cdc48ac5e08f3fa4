"""What runs when: at every instant the steps that are due and not yet done, for one community.

`Scheduler.tick` may be called as often as one likes and by several processes: each step looks in the database whether
it was done. A simulated day calls it at every interval boundary, a real community every few seconds.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from app.after_delivery import clear_delivered, keep_room, shares_after_delivery
from app.certificate_run import bring_certificates, prepare_certificates
from app.contributions import keep_contributions
from app.errors import InputError
from app.ledger_payments import bring_payments_to_ledger
from app.ledger_wallets import bring_wallets_to_ledger
from app.market_round import MarketDesk, expect, is_announced, open_gate, publish_envelopes, run_gate_closure
from app.month_runs import run_due_months
from app.quiet_days import settle_quiet_days
from app.replay import do_next_task
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from contracts.chain import ChainUnreachable
from matching.clearing import Clearing
from meters.interval import DeliveryInterval

ENVELOPE_LEAD_INTERVALS = 4
"""Envelopes and an open gate one hour ahead where the market time unit is a quarter of an hour."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """Runs rounds and settlement. `on_clearing` is told of each published result."""

    market: MarketDesk
    settlement: SettlementDesk
    minutes: int
    on_clearing: Callable[[DeliveryInterval, Clearing], None] | None = None

    def tick(self) -> None:
        """Do everything that is due now."""
        current = DeliveryInterval.containing(self.market.clock(), self.minutes)
        self.announce(current.shifted(ENVELOPE_LEAD_INTERVALS))
        self.close(current.shifted(1))
        self.share()
        self.settle()
        keep_contributions(self.market.engine, self.market.now_s())
        do_next_task(self.market, minutes=self.minutes)

    def announce(self, interval: DeliveryInterval) -> None:
        """Publish the envelopes of an interval and open its gate, once; the gate last: a crash skips neither."""
        if not is_announced(self.market, interval):
            publish_envelopes(self.market, expect(self.market, interval, decided_s=self.market.now_s()))
            open_gate(self.market, interval)

    def close(self, interval: DeliveryInterval) -> None:
        """Close the gate of an interval and publish its result, once; where energy is shared later, only the room."""
        if shares_after_delivery(self.market, interval):
            self.announce(interval)
            keep_room(self.market, interval)
            return
        clearing = run_gate_closure(self.market, interval)
        if clearing is not None and self.on_clearing is not None:
            self.on_clearing(interval, clearing)

    def share(self) -> None:
        """Clear what was delivered, where energy is shared after delivery."""
        for interval, clearing in clear_delivered(self.market, self.settlement):
            if self.on_clearing is not None:
                self.on_clearing(interval, clearing)

    def settle(self) -> None:
        """Settle what is complete and months that are due again; an absent chain is asked again at the next tick."""
        run_due_months(self.settlement)
        settle_due_periods(self.settlement)
        settle_quiet_days(self.settlement)
        certificates = self.settlement.certificates
        if certificates is not None:
            prepare_certificates(self.settlement.engine)
        try:
            anchor_batches(self.settlement)
            bring_payments_to_ledger(self.settlement.engine, self.settlement.ledger)
            bring_wallets_to_ledger(self.settlement.engine, self.settlement.ledger)
            if certificates is not None:
                bring_certificates(self.settlement.engine, certificates)
        except ChainUnreachable as error:
            log.warning("batches, payments and certificates wait for the chain", reason=str(error))


def run_for_ever(step: Callable[[], None], stopped: threading.Event, *, pause_s: float) -> None:
    """Do `step` again and again until `stopped`. What fails is told once and tried again."""
    said = ""
    while not stopped.is_set():
        try:
            step()
            if said:
                log.info("works again")
            said = ""
        except (ChainUnreachable, InputError, DBAPIError) as error:
            said = _said(_reason(error), said)
        except Exception:
            log.exception("a scheduled step failed and will be tried again")
        stopped.wait(pause_s)


def _said(reason: str, before: str) -> str:
    if reason != before:
        log.warning("waiting, and trying again", reason=reason)
    return reason


def _reason(error: Exception) -> str:
    """One line; of a database its driver's own words, without statement and parameters."""
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
