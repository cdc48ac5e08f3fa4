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

import psutil

from app.demo.island_site import site_of
from app.demo.neighbourhood import SLOT_S, Neighbourhood
from app.demo.sites import SimulatedSite, SiteJournal
from app.demo.state import DemoState
from meters.clock import Clock, SimulatedClock
from meters.simulated_inverter import Held
from meters.simulator import SimulatedMeter, serve_meters

HOST = "127.0.0.1"
METER_PROFILE = "eastron_sdm630"
METER_DEVICE_ID = 1
INVERTER_PROFILE = "sunspec_103"
INVERTER_DEVICE_ID = 2
ORPHAN_PATIENCE = 120
"""Seconds for which the meters outlive a demonstration that was killed."""

SERVED_ALREADY = 75
"""Exit code when another process serves these meters."""


def hold(path: Path, *, wait: bool) -> None:
    """Lock a file, with this process's id in it, for as long as this process lives.

    Raises BlockingIOError if it is locked and this shall not wait.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())


def mark_of_this_process() -> str:
    """Tells this process from every other one, also from a later one with the same id."""
    me = psutil.Process()
    return f"{me.pid} {me.create_time()}"


def lives(mark: str) -> bool:
    """Whether the process with this mark is still there."""
    pid, born = mark.split()
    try:
        process = psutil.Process(int(pid))
        return bool(process.create_time() == float(born) and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


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
        ports[home.home_id]: site_of(home, column, world, clock, journal, state)
        for column, home in enumerate(world.homes)
    }
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    devices = {port: _devices(site, clock) for port, site in sites.items()}
    serving = asyncio.create_task(
        serve_meters(devices, host=HOST, on_ready=lambda _: hold(state.meters_ready, wait=True))
    )
    end_when_orphaned(loop, stopped, state.owner, ORPHAN_PATIENCE)
    ended = asyncio.create_task(stopped.wait())
    await asyncio.wait({ended, serving}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    journal.close()


def _devices(site: SimulatedSite, clock: Clock) -> list[SimulatedMeter]:
    meter = SimulatedMeter(METER_PROFILE, METER_DEVICE_ID, site.values)
    if not site.home.generation_w and not site.home.battery_w and not site.home.charger_w:
        return [meter]
    held = Held(
        generation_limit_w=site.set_points.export_limit_w, battery_w=site.set_points.battery_w, revert_s=2 * SLOT_S
    )
    inverter = SimulatedMeter(INVERTER_PROFILE, INVERTER_DEVICE_ID, site.values, site.write, clock=clock, held=held)
    return [meter, inverter]


def end_when_orphaned(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event, owner: Path, patience: int) -> None:
    """Outlive a killed demonstration for a while, so that a restarted one finds the meters as they were, then end."""
    patience = ORPHAN_PATIENCE if lives(owner.read_text()) else patience - 1
    if patience <= 0:
        stopped.set()
    else:
        loop.call_later(1.0, end_when_orphaned, loop, stopped, owner, patience)


def main(state: DemoState) -> None:
    """Serve the meters of a state folder; leaves at once if another process does."""
    try:
        hold(state.meters_lock, wait=False)
    except BlockingIOError:
        sys.exit(SERVED_ALREADY)
    asyncio.run(serve(state))


if __name__ == "__main__":
    main(DemoState(Path(sys.argv[1])))
