"""A few simulated homes, their gateway and the present, for the tests of the gateway."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from readings_platform import Platform

from meters.api import MeterApi
from meters.clock import SimulatedClock
from meters.credentials import Credentials
from meters.gateway import Gateway
from meters.gateway_config import ControlConfig, GatewayConfig, MeterConfig
from meters.simulator import MeterServers, SimulatedMeter, start_meters

QUARTER = timedelta(minutes=15)


@dataclass
class Home:
    """A home whose meter imports `load_w` and exports nothing, unless its registers are set by hand."""

    name: str
    clock: SimulatedClock
    load_w: float = 400.0
    since: datetime = field(init=False)
    shown: dict[str, float] | None = None
    told: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.clock()

    def values(self) -> dict[str, float]:
        hours = (self.clock() - self.since).total_seconds() / 3600
        energy = {"energy_import_wh": 1_000_000 + self.load_w * hours, "energy_export_wh": 50_000.0}
        return {**energy, "active_power_w": self.load_w, **(self.shown or {})}


@dataclass
class Street:
    """Homes with one meter each on a port of its own, and an inverter at device id 2."""

    clock: SimulatedClock
    homes: list[Home]
    profile: str = "schneider_iem3155"
    meters: list[SimulatedMeter] = field(default_factory=list)
    inverters: list[SimulatedMeter] = field(default_factory=list)
    servers: MeterServers | None = None
    ports: Sequence[int] = ()

    @classmethod
    def of(cls, clock: SimulatedClock, count: int, **options) -> "Street":
        return cls(clock=clock, homes=[Home(f"D{number:03}", clock) for number in range(1, count + 1)], **options)

    async def open(self) -> None:
        """Listen, on the same ports as before after a `close`; with new devices that remember nothing."""
        self.meters = [SimulatedMeter(self.profile, 1, home.values) for home in self.homes]
        self.inverters = [
            SimulatedMeter("sunspec_103", 2, home.values, self.listener(home), clock=self.clock) for home in self.homes
        ]
        pairs = list(zip(self.meters, self.inverters, strict=True))
        if self.ports:
            self.servers = await start_meters(dict(zip(self.ports, pairs, strict=True)))
            return
        free = [await start_meters({0: pair}) for pair in pairs]
        self.ports = [servers.ports[0] for servers in free]
        for servers in free:
            await servers.close()
        self.servers = await start_meters(dict(zip(self.ports, pairs, strict=True)))

    async def close(self) -> None:
        if self.servers is not None:
            await self.servers.close()

    def listener(self, home: Home):
        return lambda quantity, watts: home.told.append((quantity, watts))

    def config(self, state_dir: Path, **options) -> GatewayConfig:
        meters = tuple(
            MeterConfig(
                device=home.name,
                profile=self.profile,
                address=f"tcp://127.0.0.1:{port}",
                control=ControlConfig(address=f"tcp://127.0.0.1:{port}", device_id=2),
            )
            for home, port in zip(self.homes, self.ports, strict=True)
        )
        return GatewayConfig(name="test", state_dir=state_dir, meters=meters, **options)


@asynccontextmanager
async def gateway_of(config: GatewayConfig, clock: SimulatedClock, platform: Platform, credentials: Credentials):
    """An open gateway that delivers to `platform`."""
    async with MeterApi(platform.url, token="secret") as api:
        gateway = Gateway(config, clock=clock, api=api, credentials=credentials)
        await gateway.open()
        try:
            yield gateway
        finally:
            await gateway.close()


def ahead(clock: SimulatedClock, step: timedelta = QUARTER) -> datetime:
    """Move the present and return it."""
    clock.set(clock() + step)
    return clock()
