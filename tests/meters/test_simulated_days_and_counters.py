"""A simulated meter lives through a day, and its counters can fall and roll over: the reader sees what it should."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from click.testing import CliRunner
from neighbourhood import gateway_of

from app.cli import main
from meters.clock import SimulatedClock
from meters.faults import Fault
from meters.gateway_config import GatewayConfig, MeterConfig
from meters.outbox import Outbox
from meters.simulated_day import day_power
from meters.simulated_load import SimulatedLoad
from meters.simulator import SimulatedMeter, start_meters

MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def test_a_home_draws_its_days_energy_and_feeds_in_around_noon(tmp_path):
    clock = SimulatedClock(tmp_path / "clock", start=MIDNIGHT)
    home = SimulatedLoad(
        import_wh=0, export_wh=0, power_w=day_power(load_kwh=10, solar_w=0), clock=clock, since=MIDNIGHT
    )
    clock.set(MIDNIGHT + timedelta(days=1))
    # The evening's bell lies a little beyond midnight.
    assert home.values()["energy_import_wh"] == pytest.approx(10_000, rel=0.01)
    with_solar = day_power(load_kwh=10, solar_w=5_000)
    assert with_solar(MIDNIGHT + timedelta(hours=12)) < -4_000
    assert with_solar(MIDNIGHT + timedelta(hours=3)) > 0
    plant = SimulatedLoad(
        import_wh=0, export_wh=0, power_w=day_power(load_kwh=0, solar_w=5_000), clock=clock, since=MIDNIGHT
    )
    # A half sine of twelve hours: 2 / pi of its height over the time.
    assert plant.values()["energy_export_wh"] == pytest.approx(5_000 * 12 * 2 / 3.14159265, rel=1e-4)


def read_by_a_gateway(tmp_path, platform, credentials, profile, fault, *, watts=4_000.0, quarters=6):
    """What a gateway makes of a meter with this fault: the readings by epoch."""
    clock = SimulatedClock(tmp_path / "clock", start=MIDNIGHT)
    load = SimulatedLoad(import_wh=50_000, export_wh=7_000, power_w=watts, clock=clock)
    epochs = {}

    async def scenario() -> None:
        meter = SimulatedMeter(profile, 1, load.values, clock=clock, fault=Fault.parse(fault))
        servers = await start_meters({0: [meter]})
        config = GatewayConfig(
            name="g",
            state_dir=tmp_path / "state",
            meters=(MeterConfig(device="D1", profile=profile, address=f"tcp://127.0.0.1:{servers.ports[0]}"),),
        )
        async with gateway_of(config, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            for _ in range(quarters):
                clock.set(clock() + QUARTER - timedelta(seconds=5))
                await gateway.poll()
                clock.set(clock() + timedelta(seconds=5))
                await gateway.sweep(clock())
        await servers.close()
        with Outbox(config.state_dir / "outbox.sqlite", read_only=True) as outbox:
            for chain in outbox.chains():
                epochs[chain.epoch] = outbox.readings("D1", chain.epoch, 0, 99)

    asyncio.run(scenario())
    return epochs


def test_counters_that_fall_to_zero_begin_a_new_epoch_and_make_no_energy(tmp_path, platform, credentials, caplog):
    epochs = read_by_a_gateway(tmp_path, platform, credentials, "schneider_iem3155", "reset:2000")
    assert "D1: zero: import register fell" in caplog.text
    assert list(epochs) == [0, 1]
    for readings in epochs.values():
        energies = [
            (after.import_mwh - before.import_mwh, after.export_mwh - before.export_mwh)
            for before, after in pairwise(readings)
        ]
        # 4 kW for a quarter are 1 kWh: no interval has less than nothing or more than that.
        assert all(0 <= imported <= 1_002_000 and exported == 0 for imported, exported in energies)


def test_counters_that_roll_over_where_it_is_documented_go_on_counting(tmp_path, platform, credentials, caplog):
    epochs = read_by_a_gateway(tmp_path, platform, credentials, "sunspec_203", "rollover:2500")
    assert "D1: rollover: a counter started again from zero, as documented" in caplog.text
    assert list(epochs) == [0]
    readings = epochs[0]
    energies = [after.import_mwh - before.import_mwh for before, after in pairwise(readings)]
    assert len(energies) == 6
    assert energies == [pytest.approx(1_000_000, abs=2_000)] * 6


def test_floats_do_not_roll_over_and_the_command_says_so():
    command = ["meter", "simulate", "--profile", "eastron_sdm630", "--listen", "127.0.0.1:0", "--fault", "rollover"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "energy_import_wh is a float, which does not roll over" in result.stderr
