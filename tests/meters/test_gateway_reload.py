"""A running gateway takes over a changed gateway.toml: untouched meters do not notice, a wrong file changes nothing."""

import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from neighbourhood import Street, ahead, gateway_of

from app.cli import main
from meters import config_file
from meters.config_file import ConfigFile
from meters.gateway_config import ConfigError
from meters.interval import DeliveryInterval
from meters.outbox import Outbox

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))


class Doorway:
    """Forwards to a meter and counts who came in."""

    def __init__(self, port: int) -> None:
        self.visits, self._target = 0, port

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))

    def close(self) -> None:
        self._server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


def test_a_meter_is_added_one_removed_and_the_untouched_one_keeps_its_connection(
    tmp_path, clock, platform, credentials
):
    async def scenario() -> None:
        street = Street.of(clock, 3)
        await street.open()
        door = Doorway(street.ports[0])
        whole = street.config(tmp_path)
        kept = replace(whole.meters[0], address=await door.open())
        before = replace(whole, meters=(kept, whole.meters[1]))
        async with gateway_of(before, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            change = await gateway.reconfigure(replace(whole, meters=(kept, whole.meters[2])))
            assert (change.added, change.removed, change.untouched) == (("D003",), ("D002",), ("D001",))
            assert str(change) == "added D003; removed D002; 1 untouched"
            assert (await gateway.sweep(ahead(clock))).complete == {"D001", "D003"}
            assert door.visits == 1
            # What the removed meter left in the outbox is delivered all the same.
            assert (await gateway.upload()).pending == 0
        door.close()
        await street.close()
        assert [len(platform.accepted(device)) for device in ("D001", "D002", "D003")] == [2, 1, 1]

    asyncio.run(scenario())


def test_a_meter_at_a_new_address_goes_on_where_it_was(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            door = Doorway(street.ports[0])
            moved = replace(config.meters[0], address=await door.open())
            assert (await gateway.reconfigure(replace(config, meters=(moved,)))).changed == ("D001",)
            await gateway.sweep(ahead(clock))
            await gateway.upload()
            assert door.visits == 1
            door.close()
        await street.close()
        assert [(reading[0], reading[5]) for reading in platform.accepted("D001")] == [(0, 0), (1, 0)]

    asyncio.run(scenario())


def test_a_limit_in_force_survives_a_change_of_another_meter(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        config = street.config(tmp_path)
        platform.set_points = [{"device": "D001", "generation_limit_w": 3000, "battery_w": None}]
        async with gateway_of(config, clock, platform, credentials) as gateway:
            await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            await gateway.reconfigure(replace(config, poll_s=5, meters=config.meters[:1]))
            report = await gateway.apply_set_points(DeliveryInterval.containing(ahead(clock)))
            assert (report.limited, report.released) == ({"D001": pytest.approx(3000)}, frozenset())
            assert len(street.homes[0].told) == 1
        await street.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval_minutes": 30}, "interval_minutes = 30 was 15: restart the gateway"),
        ({"server": "http://127.0.0.1:9"}, "server = http://127.0.0.1:9 was : restart"),
        ({"poll_s": 0}, "poll_s = 0 should be above 0"),
    ],
)
def test_what_needs_a_restart_or_is_wrong_is_refused_and_changes_nothing(
    tmp_path, clock, platform, credentials, change, message
):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            with pytest.raises(ConfigError, match=message):
                await gateway.reconfigure(replace(config, **change, meters=()))
            assert gateway.config is config
            assert (await gateway.sweep(clock())).complete == {"D001"}
        await street.close()

    asyncio.run(scenario())


def test_a_changed_file_is_noticed_once_it_is_still_and_a_lost_one_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(config_file, "LOOK_S", 0.05)
    path = tmp_path / "gateway.toml"
    path.write_text("first")

    async def noticed(file: ConfigFile, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await file.next_version()
        except TimeoutError:
            return False
        return True

    async def scenario() -> None:
        file = ConfigFile(path)
        assert not await noticed(file, 0.3)
        path.unlink()
        assert not await noticed(file, 0.3)
        path.write_text("second, and longer")
        assert await noticed(file, 5)
        assert not await noticed(file, 0.3)
        file.ask()
        assert await noticed(file, 5)

    asyncio.run(scenario())


class Running:
    """`commonwatt gateway run` as a process, and what it logs."""

    def __init__(self, config: Path) -> None:
        self.log = config.with_name("log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen([COMMONWATT, "gateway", "run", str(config)], stdout=log, stderr=log)

    def says(self, text: str) -> bool:
        """Wait for a line of the log."""
        for _ in range(900):
            if text in self.log.read_text():
                return True
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        return False


def meter_table(device: str, port: int, profile: str = "schneider_iem3155") -> str:
    return f'[[meter]]\ndevice = "{device}"\nprofile = "{profile}"\naddress = "tcp://127.0.0.1:{port}"\n'


def test_a_running_process_refuses_a_wrong_file_in_one_line_and_takes_the_next_good_one(tmp_path, clock, platform):
    path = tmp_path / "gateway.toml"
    head = f'[gateway]\nname = "mill-lane"\nserver = "{platform.url}"\nstate = "state"\n'

    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        path.write_text(head + meter_table("D001", street.ports[0]))
        enrolled = await asyncio.to_thread(CliRunner().invoke, main, ["gateway", "enroll", "--code", "K7QF", str(path)])
        assert enrolled.exit_code == 0, enrolled.output
        running = Running(path)
        try:
            assert await asyncio.to_thread(running.says, "reads 1 meters")
            path.write_text(head + meter_table("D001", street.ports[0], profile="eastron_sdm999"))
            running.process.send_signal(signal.SIGHUP)
            assert await asyncio.to_thread(running.says, "is refused, the configuration before it stays")
            (line,) = [line for line in running.log.read_text().splitlines() if "is refused" in line]
            assert "meter 1: there is no meter profile 'eastron_sdm999'" in line
            with_restart = head.replace("mill", "corn") + meter_table("D001", street.ports[0])
            path.write_text(with_restart)
            assert await asyncio.to_thread(running.says, "name = corn-lane was mill-lane: restart")
            result = await asyncio.to_thread(CliRunner().invoke, main, ["gateway", "status", str(path)])
            assert "! the changed configuration is not used: name = corn-lane" in result.stdout
            path.write_text(head + meter_table("D001", street.ports[0]) + meter_table("D002", street.ports[1]))
            # No signal: the file is looked at.
            assert await asyncio.to_thread(running.says, "added D002; 1 untouched")
            with Outbox(tmp_path / "state/outbox.sqlite", read_only=True) as outbox:
                for _ in range(100):
                    if "D002" in outbox.states():
                        break
                    await asyncio.sleep(0.1)
                assert set(outbox.states()) == {"D001", "D002"}
        finally:
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(60) == 0
        await street.close()

    asyncio.run(scenario())
