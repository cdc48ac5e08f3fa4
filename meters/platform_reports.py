"""What a gateway tells the platform beside readings. Nothing that waits: what cannot be told now is told anew later."""

import logging
from collections.abc import Mapping, Sequence

from meters.api import ApiError, MeterApi
from meters.clock import Clock
from meters.health import MeterHealth

log = logging.getLogger(__name__)


class PlatformReports:
    """Batteries every interval, and the health of meters when it has changed."""

    def __init__(self, api: MeterApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._health: Sequence[MeterHealth] = ()

    async def batteries(self, stored_wh: Mapping[str, int]) -> None:
        """Tell what batteries hold, device to Wh."""
        if not stored_wh:
            return
        try:
            await self._api.report_batteries(stored_wh, at_s=self._now_s())
        except ApiError as error:
            log.warning("batteries: %s", error)

    async def health(self, health: Sequence[MeterHealth]) -> None:
        """Tell how the meters are, unless that was told already."""
        if health == self._health:
            return
        try:
            await self._api.report_health(health, at_s=self._now_s())
        except ApiError as error:
            log.warning("health of the meters: %s", error)
        else:
            self._health = health

    def _now_s(self) -> int:
        return int(self._clock().timestamp())
