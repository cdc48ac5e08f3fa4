"""Every profile, simulated on a socket and read by the command: each value is what the meter was told to show."""

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from click.testing import CliRunner

from app.cli import main
from meters.profile import load_profile, profile_names
from meters.simulator import SimulatedMeter, start_meters

# A home that feeds in 3.48 kW, unevenly over its phases; every figure is one that no other register shows.
SHOWN = {
    "energy_import_wh": 7_654_321,
    "energy_export_wh": 2_345_678,
    "energy_total_wh": 9_999_999,
    "active_power_w": -3_480,
    "active_power_l1_w": -1_200,
    "active_power_l2_w": -1_180,
    "active_power_l3_w": -1_100,
    "voltage_l1_v": 231,
    "voltage_l2_v": 229,
    "voltage_l3_v": 233,
    "current_l1_a": 5.2,
    "current_l2_a": 5.1,
    "current_l3_a": 4.7,
    "frequency_hz": 50,
    "power_import_w": 0,
    "power_export_w": 3_480,
}
NAMES = profile_names()


def shown_by(name: str) -> dict[str, float]:
    """What this meter is told to show; one that does not count what is fed in has no sign, so its home only draws."""
    counts_export = load_profile(name).register("energy_export_wh") is not None
    return SHOWN if counts_export else {quantity: abs(value) for quantity, value in SHOWN.items()}


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """A port for every profile, all served on one thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> list:
        return [await start_meters({0: [SimulatedMeter(name, 1, partial(shown_by, name))]}) for name in NAMES]

    async def end(running: list) -> None:
        await asyncio.gather(*(servers.close() for servers in running))

    servers = asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
    yield {name: each.ports[0] for name, each in zip(NAMES, servers, strict=True)}
    asyncio.run_coroutine_threadsafe(end(servers), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.mark.parametrize("name", NAMES)
def test_meter_read_prints_what_the_simulated_meter_shows(name: str, ports: dict[str, int]) -> None:
    result = CliRunner().invoke(main, ["meter", "read", "--profile", name, "--json", f"tcp://127.0.0.1:{ports[name]}"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    values = document["values"]
    assert document["quality"] == "measured"
    own = {register.quantity for register in load_profile(name).registers}
    # The power of all is the phases' together, or import less export, where there is no register for it.
    assert own <= set(values) <= own | {"active_power_w"}
    assert {"energy_import_wh", "energy_export_wh", "energy_total_wh"} & set(values)
    for quantity, value in values.items():
        expected = shown_by(name)[quantity]
        if quantity.startswith("energy"):
            # A counter shows whole steps of up to 100 Wh, and never more than it has counted.
            assert 0 <= expected - value < 100, (quantity, value)
        else:
            assert math.isclose(value, expected, rel_tol=0.02), (quantity, value)
