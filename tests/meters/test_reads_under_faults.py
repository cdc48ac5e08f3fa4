"""All faults at once, in small: `make bench` makes a million such reads and a whole minute of 500 meters."""

import asyncio

from neighbourhood import gateway_of

from meters.gateway_config import GatewayConfig, MeterConfig
from meters.simulator import SimulatedMeter
from tests.benchmarks.faulty_reads import reads_under_faults
from tests.benchmarks.meter_devices import slow_line

READS = 4_000


def test_answers_late_doubled_cut_and_of_others_bring_no_wrong_value_and_almost_every_read_succeeds():
    outcomes = asyncio.run(reads_under_faults(READS, lines=20, share=0.03))
    assert outcomes.wrong == []
    assert outcomes.reads == READS
    # Three in a hundred fail, so of two attempts one in a thousand, and what is drained after RTU's late answers.
    assert outcomes.right > 0.99 * READS


def test_the_energy_of_32_meters_takes_at_most_two_and_a_half_seconds_of_a_line_with_9600_baud(
    tmp_path, clock, platform, credentials
):
    """Counted in bytes, so that a busy machine makes no difference."""

    async def scenario() -> float:
        shown = {"energy_import_wh": 7_000.0, "energy_export_wh": 5_000.0}
        units = {unit: SimulatedMeter("eastron_sdm630", unit, lambda: shown) for unit in range(1, 33)}
        async with slow_line(units, baud=9600) as (address, taken):
            meters = tuple(
                MeterConfig(device=f"S{unit:02}", profile="eastron_sdm630", address=address, device_id=unit)
                for unit in units
            )
            config = GatewayConfig(name="line", state_dir=tmp_path, timeout_s=5.0, meters=meters)
            async with gateway_of(config, clock, platform, credentials) as gateway:
                report = await gateway.sweep(clock(), within_s=2)
            assert (report.failed, len(report.complete)) == ({}, 32)
            return taken[0]

    assert 0.5 < asyncio.run(scenario()) <= 2.5
