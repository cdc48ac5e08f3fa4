"""What the tests of the meters share: one platform, one gateway's credentials, one simulated present."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from readings_platform import running_platform

from meters.clock import SimulatedClock
from meters.credentials import Credentials
from meters.signing import SigningDomain

CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
START = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.fixture
def credentials() -> Credentials:
    domain = SigningDomain(chain_id=20260, verifying_contract=CONTRACT)
    return Credentials(key=bytes.fromhex("11" * 32), gateway="G1", token="secret", domain=domain)


@pytest.fixture
def platform(credentials: Credentials):
    with running_platform(20260, CONTRACT) as running:
        running.approved.add(credentials.address)
        yield running


@pytest.fixture
def clock(tmp_path: Path) -> SimulatedClock:
    return SimulatedClock(tmp_path / "clock", start=START)
