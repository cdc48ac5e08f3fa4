"""From the cellar to the operator's page: a swapped current transformer is refused, and the operator reads it."""

import asyncio
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from app.auth import hash_of
from app.storage.database import writing
from app.storage.store.devices import GATEWAYS
from meters import commissioning_run
from meters.address import BusAddress
from meters.api import MeterApi
from meters.bus import Bus
from meters.commissioning import Outcome
from meters.commissioning_file import write_report
from meters.commissioning_run import Commissioning, commission
from meters.credentials import Credentials
from meters.gateway import Gateway
from meters.gateway_config import GatewayConfig, MeterConfig
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters
from tests.app.neighbourhood import DOMAIN, GATEWAY_KEY, NOON_S
from tests.e2e.attacked_platform import PASSWORD, AttackedPlatform, attacked_platform
from tests.e2e.demo_visitor import Browser
from tests.meters.switchboard import Electrician, Switchboard

PROFILE = "schneider_iem3155"
SWAPPED = {1: (2, 1), 2: (1, 1), 3: (3, 1)}


def noon() -> datetime:
    return datetime.fromtimestamp(NOON_S, UTC)


async def commissioned(meter: MeterConfig, board: Switchboard) -> Commissioning:
    bus = Bus(BusAddress.parse(meter.address), clock=noon)
    try:
        reader = MeterReader(load_profile(PROFILE), bus, 1)
        return await commission(meter, reader, Electrician(board), clock=noon, within_s=5.0)
    finally:
        await bus.close()


async def told(config: GatewayConfig, platform: AttackedPlatform, olga: Browser) -> str:
    """Run the gateway until the operator reads of every meter; what she reads."""
    credentials = Credentials(key=GATEWAY_KEY, gateway="g1", token="token of g1", domain=DOMAIN)
    deadline = time.monotonic() + 60
    async with MeterApi(platform.url, clock=noon) as api:
        gateway = Gateway(config, clock=noon, api=api, credentials=credentials)
        await gateway.open()
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        # A meter that was not asked yet is silent without a reason.
        while "cannot connect" not in (page := await asyncio.to_thread(meters_shown, olga)) or "not reported" in page:
            assert time.monotonic() < deadline, page
            await asyncio.sleep(0.05)
        stop.set()
        await running
        await gateway.close()
    return page


def meters_shown(olga: Browser) -> str:
    """The operator's table of meters, without markup."""
    page = olga.client.get("/operator/devices")
    assert page.status_code == httpx.codes.OK
    table = page.text.partition('id="meters"')[2].partition('id="alarms"')[0]
    return " ".join(re.sub(r"<[^>]*>", " ", table).split())


def test_a_swapped_current_transformer_is_refused_and_the_operator_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commissioning_run, "PAUSE_S", 0.01)

    async def scenario(platform: AttackedPlatform) -> str:
        boards = [Switchboard(SWAPPED), Switchboard()]
        servers = [await start_meters({0: [SimulatedMeter(PROFILE, 1, board.values)]}) for board in boards]
        meters = tuple(
            MeterConfig(device=device, profile=PROFILE, address=f"tcp://127.0.0.1:{port}")
            for device, port in zip(("d-anna", "d-bela"), [each.ports[0] for each in servers], strict=True)
        )
        config = GatewayConfig(name="g1", state_dir=tmp_path / "state", meters=meters)
        reports = [await commissioned(meter, board) for meter, board in zip(meters, boards, strict=True)]
        assert [report.outcome for report in reports] == [Outcome.REFUSED, Outcome.PASSED]
        for report in reports:
            write_report(config.state_dir, report)
        for each in servers:
            await each.close()
        # From here on nobody listens any more where the meters were.
        olga = Browser(platform.url)
        olga.sign_in("olga@example.org", PASSWORD)
        return await told(config, platform, olga)

    with attacked_platform(tmp_path) as platform:
        with writing(platform.engine) as connection:
            connection.execute(update(GATEWAYS).where(GATEWAYS.c.id == "g1").values(token_hash=hash_of("token of g1")))
        page = asyncio.run(scenario(platform))
    anna, bela = page.split("d-bela")
    assert "Refused" in anna
    assert "the current transformers of L1 and L2 are swapped" in anna
    assert "Passed" in bela
    assert bela.count("cannot connect") == 1
    assert "kWh" not in page
