"""A gateway that was gone for hours: the counter says how much, last week when."""

import asyncio
from datetime import timedelta
from itertools import pairwise

from neighbourhood import Street, gateway_of

from meters.signing import FLAG_ESTIMATED, RegisterReading


def test_hours_of_silence_take_the_shape_of_last_week_even_after_a_restart(tmp_path, clock, platform, credentials):
    # Last week the meter counted 100 and 300 Wh in turn; in four hours without it 4 kWh, so 125 and 375 Wh.
    begin_s, opening_mwh = int(clock().timestamp()) - 8 * 86_400, 800_000_000
    registers = [opening_mwh]
    for number in range(8 * 96):
        registers.append(registers[-1] + (100_000 if number % 2 == 0 else 300_000))
    past = [
        RegisterReading(
            device="D001", epoch=0, seq=0, start_s=begin_s + 900 * number, duration_s=900,
            import_mwh=register, export_mwh=50_000_000,
        )
        for number, register in enumerate(registers[1:])
    ]  # fmt: skip

    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            street.homes[0].shown = {"energy_import_wh": registers[-1] / 1000}
            gateway.import_history("D001", past)
            await gateway.upload()
        clock.set(clock() + timedelta(hours=4))
        async with gateway_of(config, clock, platform, credentials) as gateway:
            street.homes[0].shown = {"energy_import_wh": registers[-1] / 1000 + 4_000}
            assert (await gateway.sweep(clock())).readings == 16
            await gateway.upload()
        await street.close()

    asyncio.run(scenario())
    readings = platform.accepted("D001")
    shown = [reading[3] for reading in readings]
    assert [later - earlier for earlier, later in pairwise(shown)][-16:] == [125_000, 375_000] * 8
    assert {reading[5] for reading in readings[-16:]} == {FLAG_ESTIMATED}
