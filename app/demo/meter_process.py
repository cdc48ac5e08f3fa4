"""The process of the simulated meters: one Modbus TCP address per home, on the demonstration's clock.

It knows nothing of the market. It starts before the rest, survives the rest, and finds its counters again.
Run as `python -m app.demo.meter_process STATE_DIRECTORY`.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from pathlib import Path

from app.demo.neighbourhood import Neighbourhood
from app.demo.sites import SimulatedSite, SiteJournal
from app.demo.state import DemoState
from meters.clock import Clock, SimulatedClock
from meters.simulator import SimulatedMeter, serve_meters

HOST = "127.0.0.1"
METER_PROFILE = "eastron_sdm630"
METER_DEVICE_ID = 1
INVERTER_PROFILE = "sunspec_103"
INVERTER_DEVICE_ID = 2
ORPHAN_PATIENCE = 120
"""Seconds for which the meters outlive a demonstration that was killed."""


def hold_lock(path: Path) -> None:
    """Mark this process as the one that serves the meters: the file stays open and locked for as long as it lives."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())


def free_ports(count: int) -> list[int]:
    """`count` TCP ports that nobody listens on at this moment."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


async def serve(state: DemoState) -> None:
    """Serve every site until SIGTERM."""
    world = Neighbourhood.load(state.world)
    clock = SimulatedClock(state.clock)
    journal = SiteJournal(state.sites)
    ports = json.loads(state.ports.read_text())
    sites = {
        ports[home.home_id]: SimulatedSite(home, column, world, clock, journal)
        for column, home in enumerate(world.homes)
    }
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    devices = {port: _devices(site, clock) for port, site in sites.items()}
    serving = asyncio.create_task(serve_meters(devices, host=HOST, on_ready=lambda _: hold_lock(state.meters_lock)))
    end_when_orphaned(loop, stopped, os.getppid(), ORPHAN_PATIENCE)
    ended = asyncio.create_task(stopped.wait())
    await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    journal.close()


def _devices(site: SimulatedSite, clock: Clock) -> list[SimulatedMeter]:
    meter = SimulatedMeter(METER_PROFILE, METER_DEVICE_ID, site.values)
    if not site.home.generation_w and not site.home.battery_w:
        return [meter]
    return [meter, SimulatedMeter(INVERTER_PROFILE, INVERTER_DEVICE_ID, site.values, site.write, clock=clock)]


def end_when_orphaned(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event, parent: int, patience: int) -> None:
    """Outlive a killed demonstration for a while, so that a restarted one finds the meters as they were, then end."""
    patience = ORPHAN_PATIENCE if os.getppid() == parent else patience - 1
    if patience <= 0:
        stopped.set()
    else:
        loop.call_later(1.0, end_when_orphaned, loop, stopped, parent, patience)


if __name__ == "__main__":
    asyncio.run(serve(DemoState(Path(sys.argv[1]))))
