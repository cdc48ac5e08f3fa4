"""What a gateway is told when the platform refuses it: the platform's own words, in one line."""

import asyncio
from pathlib import Path

import pytest

from meters.api import ApiRefusedError, MeterApi
from tests.app.neighbourhood import GATEWAY_KEY, NOON_S, address_of
from tests.e2e.attacked_platform import AttackedPlatform, attacked_platform


async def _refusal(platform: AttackedPlatform, *, token: str | None = None) -> str:
    async with MeterApi(platform.url, token=token, clock=platform.clock) as api:
        asked = api.set_points(NOON_S) if token else api.enrol(code="made-up", address=address_of(GATEWAY_KEY))
        with pytest.raises(ApiRefusedError) as refused:
            await asked
    return str(refused.value)


def test_a_gateway_says_what_the_platform_says_when_it_refuses(tmp_path: Path) -> None:
    with attacked_platform(tmp_path) as platform:
        code = asyncio.run(_refusal(platform))
        token = asyncio.run(_refusal(platform, token="made-up"))
    assert code.endswith("answered 403: This code was used before or is too old: ask for a new one.")
    assert token.endswith("answered 401: This token is not known here.")
