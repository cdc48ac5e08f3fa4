"""The gateway beside a worker: prepared from the community's configuration, once and again, and refused if revoked."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.config import Settings
from app.errors import InputError
from app.meter_places import local_gateway_config
from app.neighbouring_gateway import enrol_here, wait_for_ledger
from app.storage.database import reading, writing
from app.storage.store.devices import Gateway, add_gateway, find_gateway, set_gateway_status
from meters.credentials import load_credentials
from meters.gateway_config import GatewayConfig
from tests.app.neighbourhood import StandingClock

SERVER = "http://web:8000"
CONFIG = """
[community]
name = "Hill Road"
network = "transformer:100"

[[members]]
id = "anna"
name = "Anna"
supplier_price_micro_per_kwh = 300000
feed_in_price_micro_per_kwh = 80000

[members.meter]
profile = "eastron_sdm630"
{place}
"""
HERE = """
address = "rtu:///dev/ttyÜSB0?baud=9600"
device_id = 3

[members.meter.control]
address = "tcp://192.0.2.4:502"
device_id = 126
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return _settings(tmp_path, HERE)


def _settings(folder: Path, place: str) -> Settings:
    (folder / "commonwatt.toml").write_text(CONFIG.format(place=place), encoding="utf-8")
    return Settings.load(folder / "commonwatt.toml", {})


@pytest.fixture
def founded(community: Engine) -> Engine:
    """The neighbourhood, with a gateway of this machine that is expected."""
    with writing(community) as connection:
        add_gateway(connection, Gateway(id="G1", name="This machine"))
    return community


def _prepared(engine: Engine, settings: Settings, folder: Path, clock: StandingClock) -> GatewayConfig:
    enrol_here(engine, settings, folder, server=SERVER, clock=clock)
    return GatewayConfig.load(folder / "gateway.toml")


def test_the_written_file_is_the_gateway_that_up_would_run(
    founded: Engine, settings: Settings, tmp_path: Path, clock: StandingClock
) -> None:
    folder = tmp_path / "gateway"
    written = _prepared(founded, settings, folder, clock)
    assert written == local_gateway_config(settings, server=SERVER, state=written.state_dir)
    assert written.state_dir.resolve() == folder.resolve()


def test_its_key_is_approved_and_stays_the_same(
    founded: Engine, settings: Settings, tmp_path: Path, clock: StandingClock
) -> None:
    folder = tmp_path / "gateway"
    _prepared(founded, settings, folder, clock)
    first = load_credentials(folder)
    _prepared(founded, settings, folder, clock)
    assert load_credentials(folder) == first
    with reading(founded) as connection:
        known = find_gateway(connection, "G1")
    assert known is not None
    assert (known.status, known.address) == ("approved", first.address)


def test_a_revoked_gateway_stays_out(founded: Engine, settings: Settings, tmp_path: Path, clock: StandingClock) -> None:
    _prepared(founded, settings, tmp_path / "gateway", clock)
    with writing(founded) as connection:
        set_gateway_status(connection, "G1", "revoked")
    with pytest.raises(InputError, match="gateway G1 was revoked"):
        _prepared(founded, settings, tmp_path / "gateway", clock)


def test_an_approved_gateway_whose_volume_is_gone_gets_no_second_key(
    founded: Engine, settings: Settings, tmp_path: Path, clock: StandingClock
) -> None:
    _prepared(founded, settings, tmp_path / "gateway", clock)
    with pytest.raises(InputError, match=r"credentials\.json does not exist.*revoke the gateway"):
        _prepared(founded, settings, tmp_path / "another", clock)
    assert not (tmp_path / "another").exists()


def test_a_lost_key_is_renewed_once_an_operator_revoked_it_and_counts_when_one_approves_it(
    founded: Engine, settings: Settings, tmp_path: Path, clock: StandingClock
) -> None:
    folder = tmp_path / "gateway"
    _prepared(founded, settings, folder, clock)
    lost = load_credentials(folder)
    (folder / "credentials.json").unlink()
    with writing(founded) as connection:
        set_gateway_status(connection, "G1", "revoked")
    for _ in range(2):  # a second start changes nothing, and approves nothing either
        _prepared(founded, settings, folder, clock)
        renewed = load_credentials(folder)
        with reading(founded) as connection:
            known = find_gateway(connection, "G1")
        assert known is not None
        assert (known.status, known.address) == ("pending", renewed.address)
    assert renewed.address != lost.address
    with writing(founded) as connection:
        set_gateway_status(connection, "G1", "approved")
    _prepared(founded, settings, folder, clock)
    assert load_credentials(folder) == renewed


def test_without_a_meter_to_read_here_there_is_nothing_to_prepare(
    founded: Engine, tmp_path: Path, clock: StandingClock
) -> None:
    elsewhere = _settings(tmp_path, 'gateway = "mill-lane"')
    with pytest.raises(InputError, match="all of them name a gateway elsewhere"):
        _prepared(founded, elsewhere, tmp_path / "gateway", clock)
    assert not (tmp_path / "gateway").exists()


def test_it_waits_for_the_ledger_until_it_is_stopped(engine: Engine) -> None:
    stopped = threading.Event()
    threading.Timer(0.2, stopped.set).start()
    assert not wait_for_ledger(engine, stopped)


def test_it_waits_no_longer_once_there_is_a_ledger(founded: Engine) -> None:
    assert wait_for_ledger(founded, threading.Event())
