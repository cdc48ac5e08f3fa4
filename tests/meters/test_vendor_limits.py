"""Limits of inverters with registers of their own: two sources for each, safe order, read back, self-ending."""

import asyncio
import math
import shutil
import subprocess
from datetime import timedelta

import pytest
from click.testing import CliRunner
from neighbourhood import QUARTER, Street, ahead, gateway_of

from app.cli import main
from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.control import ControlError
from meters.control_profile import control_profile_names, load_control_profile, parse_control_profile
from meters.gateway_config import ControlConfig, GatewayConfig, check
from meters.interval import DeliveryInterval
from meters.profile import ProfileError
from meters.register_control import RegisterControl
from meters.simulator import SimulatedMeter, start_meters

MAKES = [name for name in control_profile_names() if name != "sunspec"]


class Inverter(SimulatedMeter):
    """A SolarEdge inverter that keeps what it was told and in which order it was written."""

    def __init__(self, clock=system_clock, **options) -> None:
        self.told: list[float] = []
        self.writes: list[tuple[int, list[int]]] = []
        super().__init__(
            "sunspec_103", 1, lambda: {"energy_export_wh": 5_000}, lambda _, watts: self.told.append(watts),
            clock=clock, control="solaredge", **options,
        )  # fmt: skip

    def write(self, address, words) -> None:
        super().write(address, words)
        self.writes.append((address, list(words)))


class Deaf(Inverter):
    """Acknowledges every write and obeys none."""

    def write(self, address, words) -> None:
        pass


async def controlled(device: SimulatedMeter, work):
    servers = await start_meters({0: [device]})
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{servers.ports[0]}"), clock=system_clock)
    try:
        return await work(RegisterControl(load_control_profile("solaredge"), bus, 1), servers.ports[0])
    finally:
        await bus.close()
        await servers.close()


def limited(device: SimulatedMeter, limit_w: int | None, revert_s: int = 1800):
    return asyncio.run(controlled(device, lambda control, _: control.limit_generation(limit_w, revert_s=revert_s)))


def test_limit_then_what_comes_after_it_then_how_long_then_enable_low_words_first():
    device = Inverter(rated_w=8000)
    assert limited(device, 2000, revert_s=70_000) == 2000
    # 25 % is 0x41C80000 and 100 % 0x42C80000 as float32, 70 000 s are 0x00011170; low word first.
    assert device.writes == [
        (0xF322, [0x0000, 0x41C8]), (0xF312, [0x0000, 0x42C8]), (0xF310, [0x1170, 0x0001]), (0xF300, [1]),
    ]  # fmt: skip
    assert device.told[-1] == 2000


@pytest.mark.parametrize(("rated_w", "limit_w"), [(8000, 3333), (7_777, 1), (8000, 0), (120_000, 77_777)])
def test_a_limit_is_never_held_above_what_was_accepted(rated_w, limit_w):
    held_w = limited(Inverter(rated_w=rated_w), limit_w)
    assert limit_w - 0.01 <= held_w <= limit_w


def test_a_limit_above_the_rating_is_the_rating():
    assert limited(Inverter(rated_w=8000), 9000) == 8000


def test_an_inverter_that_does_not_obey_is_found_out():
    with pytest.raises(ControlError, match=r"unit 1: limit_percent was written as 25 and reads 100"):
        limited(Deaf(rated_w=8000), 2000)


def test_an_inverter_without_these_registers_is_named():
    with pytest.raises(Exception, match=r"registers 62212 to 62213 \(exception 2\)"):
        limited(SimulatedMeter("sunspec_103", 1, lambda: {"energy_export_wh": 0}), 2000)


def test_a_limit_that_nobody_refreshes_ends_by_itself_and_one_that_is_refreshed_stays(clock):
    device = Inverter(clock, rated_w=8000)
    limited(device, 2000)
    clock.set(clock() + timedelta(seconds=1799))
    device.tick()
    limited(device, 2000)
    clock.set(clock() + timedelta(seconds=1799))
    device.tick()
    assert device.told == [2000]
    clock.set(clock() + timedelta(seconds=1))
    device.tick()
    assert len(device.told) == 2
    assert math.isnan(device.told[1])


def test_a_release_frees_it_and_a_battery_set_point_is_refused():
    device = Inverter(rated_w=8000)

    async def work(control, _):
        await control.limit_generation(1000, revert_s=60)
        assert await control.set_battery(None, revert_s=60) is None
        assert await control.stored_wh() is None
        with pytest.raises(ControlError, match="SolarEdge have no battery set-point"):
            await control.set_battery(500, revert_s=60)
        return await control.limit_generation(None, revert_s=60)

    assert asyncio.run(controlled(device, work)) is None
    assert math.isnan(device.told[-1])
    assert device.writes[-2:] == [(0xF322, [0x0000, 0x42C8]), (0xF300, [0])]


@pytest.mark.needs("mbpoll")
def test_mbpoll_reads_what_we_wrote_and_we_obey_what_it_writes():
    device = Inverter(rated_w=8000)

    def other(port: int, *arguments: str) -> str:
        command = [shutil.which("mbpoll"), "-m", "tcp", "-a", "1", "-0", "-1", "-q", "-p", str(port), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    async def work(control, port):
        await control.limit_generation(2000, revert_s=1800)
        # Without -B mbpoll takes the low word first.
        percent = await asyncio.to_thread(other, port, "-t", "4:float", "-r", "62242", "-c", "1", "127.0.0.1")
        await asyncio.to_thread(other, port, "-t", "4:float", "-r", "62242", "127.0.0.1", "45.5")
        return percent

    assert asyncio.run(controlled(device, work)).split()[-1] == "25"
    assert device.told == [2000, 3640]


def test_a_gateway_limits_such_an_inverter_and_lets_it_go(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        device = Inverter(clock, rated_w=8000)
        servers = await start_meters({0: [device]})
        control = ControlConfig(address=f"tcp://127.0.0.1:{servers.ports[0]}", profile="solaredge")
        async with gateway_of(controlled_by(street.config(tmp_path), control), clock, platform, credentials) as gateway:
            platform.set_points = [{"device": "D001", "generation_limit_w": 4000, "battery_w": None}]
            report = await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            assert (report.limited, report.failed) == ({"D001": 4000}, {})
            platform.set_points = []
            report = await gateway.apply_set_points(DeliveryInterval.containing(ahead(clock)))
            assert report.released == {"D001"}
            platform.set_points = [{"device": "D001", "generation_limit_w": 4000, "battery_w": None}]
            await gateway.apply_set_points(DeliveryInterval.containing(ahead(clock)))
        # The gateway is gone: two intervals later the inverter is free.
        ahead(clock, 2 * QUARTER)
        device.tick()
        assert [math.isnan(watts) for watts in device.told] == [False, True, False, True]
        await servers.close()
        await street.close()

    asyncio.run(scenario())


def controlled_by(config: GatewayConfig, control: ControlConfig) -> GatewayConfig:
    (meter,) = config.meters
    meter = type(meter)(device=meter.device, profile=meter.profile, address=meter.address, device_id=1, control=control)
    return GatewayConfig(name=config.name, state_dir=config.state_dir, meters=(meter,))


@pytest.mark.parametrize("name", MAKES)
def test_every_register_that_is_shipped_has_two_sources_that_are_named(name):
    profile = load_control_profile(name)
    assert all(len(point.sources) >= 2 for point in profile.points.values())


TABLE = """
[control]
vendor = "V"
model = "M"
word_order = "big"
[sources]
a = "manual"
b = "program"
[registers]
rated_w = { address = 1, type = "f32", sources = ["a", "b"] }
limit_percent = { address = 3, type = "f32", sources = ["a", "b"] }
revert_percent = { address = 5, type = "f32", sources = ["a", "b"] }
revert_s = { address = 7, type = "u32", sources = ["a", "b"] }
enable = { address = 9, type = "u16", sources = ["a", "b"] }
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('7, type = "u32", sources = ["a", "b"]', '7, type = "u32", sources = ["a"]', "revert_s: only 1 of"),
        ('7, type = "u32", sources = ["a", "b"]', '7, type = "u32", sources = ["a", "c"]', "revert_s: only 1 of"),
        ('revert_s = { address = 7, type = "u32", sources = ["a", "b"] }', "", "revert_s is missing: seconds without"),
        ('"big"', '"middle"', "neither 'big' nor 'little'"),
        ("enable =", "switch =", "unknown register 'switch'"),
        ('"u16"', '"u17"', "'u17' is missing or unknown"),
        ("[sources]", "", r"control_profiles/x.toml"),
    ],
)
def test_a_table_that_could_leave_an_inverter_limited_for_ever_is_refused(old, new, message):
    assert parse_control_profile("x", TABLE).vendor == "V"
    with pytest.raises(ProfileError, match=message):
        parse_control_profile("x", TABLE.replace(old, new))


def test_a_configuration_that_names_no_known_profile_is_told_which_there_are(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[gateway]\nname = "g"\nstate = "s"\n[[meter]]\ndevice = "D1"\nprofile = "abb_b23"\naddress = "tcp://h"\n'
        '[meter.control]\naddress = "tcp://i"\nprofile = "solarege"\n'
    )
    result = CliRunner().invoke(main, ["gateway", "check", str(path)])
    assert result.exit_code == 2
    assert "meter 1: control: there is no control profile 'solarege': known are sunspec, solaredge" in result.stderr
    path.write_text(path.read_text().replace("solarege", "solaredge"))
    assert check(GatewayConfig.load(path)) == ()
