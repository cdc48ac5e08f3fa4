"""Serial lines through pseudo-terminals, serial frames over TCP, and Modbus inside TLS with client certificates."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from meters.address import AddressError, BusAddress
from meters.answer import DeviceSilentError
from meters.bus import Bus
from meters.clock import system_clock
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters

VALUES = {"energy_import_wh": 7_654_321, "energy_export_wh": 1_234_567, "active_power_w": 500}


def meter(profile: str, device_id: int) -> SimulatedMeter:
    return SimulatedMeter(profile, device_id, lambda: VALUES)


async def energy(address: str, profile: str, device_id: int) -> object:
    bus = Bus(BusAddress.parse(address), clock=system_clock)
    try:
        reading = await MeterReader(load_profile(profile), bus, device_id).read()
    finally:
        await bus.close()
    return reading.values["energy_import_wh"]


def test_two_meters_behind_a_serial_converter_are_read():
    async def scenario() -> None:
        servers = await start_meters({0: [meter("eastron_sdm120", 1), meter("abb_b23", 2)]}, framing="rtu")
        address = f"rtutcp://127.0.0.1:{servers.ports[0]}"
        assert await energy(address, "eastron_sdm120", 1) == 7_654_321
        assert await energy(address, "abb_b23", 2) == 7_654_320
        with pytest.raises(DeviceSilentError):
            await energy(address, "abb_b23", 3)
        await servers.close()

    asyncio.run(scenario())


@pytest.mark.needs("socat")
def test_a_meter_on_a_serial_line_is_read(tmp_path: Path):
    async def scenario() -> None:
        servers = await start_meters({0: [meter("eastron_sdm630", 4)]}, framing="rtu")
        line = tmp_path / "ttyUSB0"
        socat = await asyncio.create_subprocess_exec(
            "socat", f"PTY,link={line},raw,echo=0", f"TCP:127.0.0.1:{servers.ports[0]}"
        )
        try:
            while not line.exists():  # noqa: ASYNC110  socat says nothing when it is ready
                await asyncio.sleep(0.01)
            assert await energy(f"rtu://{line}?baud=19200", "eastron_sdm630", 4) == 7_654_321
        finally:
            socat.terminate()
            await socat.wait()
            await servers.close()

    asyncio.run(scenario())


def test_a_serial_line_that_is_not_there_is_named():
    with pytest.raises(DeviceSilentError, match="/dev/no-such-line"):
        asyncio.run(energy("rtu:///dev/no-such-line", "eastron_sdm630", 1))


def certificates(folder: Path) -> None:
    """An authority, and a certificate of it for the meter and one for the gateway."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *curve, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("meter", "gateway"):
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("req", *curve[:-2], "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip


@pytest.mark.needs("openssl")
@pytest.mark.needs("socat")
def test_a_meter_behind_tls_is_read_with_a_client_certificate_and_refused_without(tmp_path: Path):
    certificates(tmp_path)

    async def scenario() -> None:
        servers = await start_meters({0: [meter("eastron_sdm630", 1)]})
        free = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        socat = await asyncio.create_subprocess_exec(
            "socat",
            f"OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,cert=meter.pem,key=meter.key,cafile=ca.pem,verify=1",
            f"TCP:127.0.0.1:{servers.ports[0]}",
            cwd=tmp_path,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(0.3)
        ca = f"tls://localhost:{port}?ca={tmp_path}/ca.pem"
        try:
            mine = f"{ca}&cert={tmp_path}/gateway.pem&key={tmp_path}/gateway.key"
            assert await energy(mine, "eastron_sdm630", 1) == 7_654_321
            with pytest.raises(DeviceSilentError):
                await energy(ca, "eastron_sdm630", 1)
            with pytest.raises(DeviceSilentError):
                await energy(f"tls://localhost:{port}", "eastron_sdm630", 1)
        finally:
            socat.terminate()
            await socat.wait()
            await servers.close()

    asyncio.run(scenario())


def test_certificate_files_that_cannot_be_read_are_named(tmp_path: Path):
    with pytest.raises(AddressError, match="certificate files cannot be read"):
        asyncio.run(energy(f"tls://127.0.0.1:1?ca={tmp_path}/none.pem", "eastron_sdm630", 1))
