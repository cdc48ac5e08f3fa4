"""Gateways in a thread of this process: as on site hardware, over the same sockets and the same API."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

from meters.delivery import UploadReport
from meters.gateway import Gateway
from meters.gateway_reports import ControlReport, SweepReport
from meters.interval import DeliveryInterval
from meters.signing import RegisterReading

T = TypeVar("T")
SWEEP_PATIENCE_S = 2.0
"""How long a silent meter is asked again before the round goes on without it."""


class LocalGateways:
    """Runs the gateways' work in one event loop, step by step or for ever."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._gateways = gateways
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateways", daemon=True)
        self._thread.start()
        self._running: list[Future[None]] = []
        self._all(gateway.open() for gateway in gateways)

    def import_histories(self, histories: Mapping[str, Sequence[RegisterReading]]) -> int:
        """Hand gateways that have read nothing yet what their meters showed before; how many readings were taken."""

        async def take(gateway: Gateway) -> int:
            if gateway.outbox.chains():
                return 0
            own = {meter.device: histories[meter.device] for meter in gateway.config.meters}
            return gateway.import_histories(own)

        return sum(self._all(take(gateway) for gateway in self._gateways))

    def sweep(self, boundary: datetime) -> list[SweepReport]:
        """Read every meter for the interval that ended at `boundary`."""
        return self._all(gateway.sweep(boundary, within_s=SWEEP_PATIENCE_S) for gateway in self._gateways)

    def upload(self) -> list[UploadReport]:
        """Deliver what waits in the outboxes."""
        return self._all(gateway.upload() for gateway in self._gateways)

    def apply_set_points(self, interval: DeliveryInterval) -> list[ControlReport]:
        """Write the set-points of an interval to the inverters."""
        return self._all(gateway.apply_set_points(interval) for gateway in self._gateways)

    def report_batteries(self) -> None:
        """Tell the platform what the batteries hold."""
        self._all(gateway.report_batteries() for gateway in self._gateways)

    def run(self) -> None:
        """Read, deliver and control by the gateways' own clock from now on."""
        self._running = [asyncio.run_coroutine_threadsafe(gateway.run(), self._loop) for gateway in self._gateways]

    def close(self) -> None:
        """Stop and close; what was not acknowledged stays in the outboxes."""
        for running in self._running:
            running.cancel()
        self._all(gateway.close() for gateway in self._gateways)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _all(self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        async def together() -> list[T]:
            return list(await asyncio.gather(*work))

        return asyncio.run_coroutine_threadsafe(together(), self._loop).result()
