"""Each rule finds its error and leaves the healthy case beside it alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from app.cli import main
from meters.interval import DeliveryInterval, IntervalEnergy, Quality
from meters.plausibility import (
    children_against_parent,
    energy_against_power,
    frozen,
    large_both_ways,
    night_export,
    ratio_changed,
    sum_against_register,
    sum_of_phases,
    voltage_and_frequency,
    zero_use,
)
from meters.reading import CounterRead, MeterReading
from meters.simulator import SimulatedMeter, start_meters
from meters.vee import Rule

T0 = datetime(2026, 6, 1, tzinfo=UTC)


def reading(**values: float | None) -> MeterReading:
    return MeterReading(
        profile="p",
        device_id=1,
        read_at=T0,
        uncertainty=timedelta(),
        quality=Quality.MEASURED,
        values=values,
        energy={},
    )


def day(*energies: tuple[int, int]) -> list[IntervalEnergy]:
    """Intervals from midnight on, (import, export) in Wh."""
    return [
        IntervalEnergy(
            metering_point="MP",
            interval=DeliveryInterval.containing(T0 + timedelta(minutes=15 * number), 15),
            import_wh=imported,
            export_wh=exported,
        )
        for number, (imported, exported) in enumerate(energies)
    ]


def counters(seconds: float, import_wh: float, export_wh: float = 0.0) -> CounterRead:
    at = T0 + timedelta(seconds=seconds)
    return CounterRead(at=at, import_mwh=int(1000 * import_wh), export_mwh=int(1000 * export_wh), step_mwh=1000)


def phases(total: float, *each: float | None) -> MeterReading:
    powers = {f"active_power_l{number}_w": power for number, power in enumerate(each, 1)}
    return reading(active_power_w=total, **powers)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (phases(3000, 1000, 1000, 1000), False),
        (phases(3040, 1000, 1000, 1000), False),
        (phases(1000, 1000, 1000, -1000), False),
        # One transformer the wrong way round in the sum only.
        (phases(1000, 1000, 1000, 1000), True),
        (phases(3000, 1000, 1000, None), False),
        (reading(active_power_w=3000), False),
    ],
)
def test_phases_add_up_to_the_total(shown, found):
    assert [finding.rule for finding in sum_of_phases(shown)] == [Rule.SUM_OF_PHASES] * found


def test_voltages_and_frequency_are_those_of_the_mains():
    assert (
        voltage_and_frequency(reading(voltage_l1_v=231, voltage_l2_v=251, voltage_l3_v=None, frequency_hz=49.9)) == []
    )
    found = voltage_and_frequency(reading(voltage_l1_v=0, voltage_l2_v=231, voltage_l3_v=400, frequency_hz=60))
    assert [finding.message for finding in found] == ["L1 has 0 V", "L3 has 400 V", "the frequency is 60.0 Hz"]


@pytest.mark.parametrize(
    ("export_wh", "power_w", "found"),
    # In an hour 3 kWh are drawn; with 1 kWh fed in besides that is 2 kW.
    [(0, 3000, False), (0, 2500, False), (0, 300, True), (0, -3000, True), (1000, 2000, False), (1000, 4000, True)],
)
def test_counters_grow_by_the_power_that_is_shown(export_wh, power_w, found):
    findings = energy_against_power(counters(0, 0), counters(3600, 3000, export_wh), power_w)
    assert [finding.rule for finding in findings] == [Rule.ENERGY_AGAINST_POWER] * found
    assert energy_against_power(counters(0, 0), counters(0, 3000), power_w) == []


def test_much_in_both_directions_at_once_is_found():
    # A quarter of 11 kW over a quarter of an hour is 687 Wh.
    assert large_both_ways(day((3000, 600), (600, 3000)), connection_w=11_000, minutes=15) == []
    (finding,) = large_both_ways(day((700, 900), (900, 700), (0, 900)), connection_w=11_000, minutes=15)
    assert "in 2 intervals" in finding.message


def test_values_that_repeat_themselves_are_found_and_a_constant_nothing_is_not():
    assert frozen(day(*[(137, 0)] * 7, (138, 0), *[(137, 0)] * 7)) == []
    assert frozen(day(*[(0, 0)] * 96)) == []
    (finding,) = frozen(day((1, 0), *[(137, 0)] * 8, (2, 0)))
    assert finding.message.startswith("8 intervals")
    assert frozen([]) == []


def test_a_day_without_any_use_is_found():
    assert zero_use(day(*[(0, 0)] * 95, (0, 1))) == zero_use([]) == []
    (finding,) = zero_use(day(*[(0, 0)] * 96))
    assert finding.rule is Rule.ZERO_USE


def test_feeding_in_at_night_needs_a_battery():
    night = lambda instant: instant.hour < 4  # noqa: E731  shorter than a function
    fed = day(*[(0, 0)] * 8, (0, 50), *[(0, 0)] * 20, (0, 900))
    assert night_export(fed, is_night=night, has_battery=True) == []
    assert night_export(fed[9:], is_night=night, has_battery=False) == []
    (finding,) = night_export(fed, is_night=night, has_battery=False)
    assert "in 1 intervals" in finding.message


def test_intervals_add_up_to_the_register():
    assert sum_against_register(day((10, 0), (5, 2)), import_delta_mwh=15_999, export_delta_mwh=2_000) == []
    (finding,) = sum_against_register(day((10, 0), (5, 2)), import_delta_mwh=16_000, export_delta_mwh=2_000)
    assert finding.message == "import of the intervals is 15 Wh, the register grew by 16 Wh"


@pytest.mark.parametrize(
    ("usual_wh", "day_wh", "found"),
    [(8_000, 400, True), (8_000, 80_500, True), (8_000, 20_000, False), (8_000, 0, False), (8_000, 24_000, False)],
)
def test_a_day_that_is_a_transformers_ratio_away_is_found(usual_wh, day_wh, found):
    assert bool(ratio_changed(usual_wh, day_wh)) == found


def test_meters_behind_a_meter_add_up_to_it_but_for_losses():
    (parent,) = day((1000, 0))
    one, other = day((960, 0))[0], day((150, 0))[0]
    feeding = day((0, 100))[0]
    assert children_against_parent(parent, [one, other, feeding]) == []
    (finding,) = children_against_parent(parent, [one, feeding])
    assert finding.message == "the meters behind it add up to 860 Wh, it counted 1000 Wh"


def test_reading_a_meter_says_what_is_unlikely():
    values = {"energy_import_wh": 1_000.0, "energy_export_wh": 0.0, "active_power_w": 900.0, "voltage_l2_v": 0.0}

    async def scenario():
        servers = await start_meters({0: [SimulatedMeter("sunspec_203", 1, lambda: values)]})
        command = ["meter", "read", "--profile", "sunspec_203", f"tcp://127.0.0.1:{servers.ports[0]}"]
        result = await asyncio.to_thread(CliRunner().invoke, main, command)
        await servers.close()
        return result

    result = asyncio.run(scenario())
    assert result.exit_code == 0
    assert "sunspec_203: L2 has 0 V" in result.stderr
