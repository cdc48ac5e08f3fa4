"""What a running application stands on: its database, clock and settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import Engine

from app.config import Settings
from app.run_desk import RunDesk
from meters.clock import Clock

RpcDispatcher = Callable[[Any], Any]
"""Answers one JSON-RPC request or batch, read-only methods alone."""

EXTENSION = "commonwatt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Engine, clock and settings of the running application; `chain_rpc` is None where there is no chain to read."""

    settings: Settings
    engine: Engine
    clock: Clock
    chain_rpc: RpcDispatcher | None = None

    def now_s(self) -> int:
        """The present in whole seconds since the Unix epoch."""
        return int(self.clock().timestamp())

    def run_desk(self) -> RunDesk:
        """What settles a month again."""
        chosen = self.settings.settlement
        return RunDesk(
            engine=self.engine, clock=self.clock, period_minutes=chosen.period_minutes, calendar=chosen.calendar
        )


def platform() -> Platform:
    """The platform of the current application."""
    found: Platform = current_app.extensions[EXTENSION]
    return found
