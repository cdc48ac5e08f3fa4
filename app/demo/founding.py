"""Founding the demonstration's community: the homes become members with meters, suppliers and an operator."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from app.demo.neighbourhood import CONTROLLABLE_FROM_W, UNIT_ID, Home, Neighbourhood
from app.storage.database import reading, writing
from app.storage.store.community import Community, add_tariff, create_community, find_community
from app.storage.store.devices import Device, Gateway, add_device, add_gateway
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    SupplyContract,
    add_contract,
    add_metering_point,
    add_participant,
)
from contracts.tariff import Tariff

TIMEZONE = "Europe/Berlin"
OPERATOR_ID = "operator"
HOMES_PER_GATEWAY = 30
CONNECTION_W = 43_000
"""Three phases of 63 A: larger than any home of the data draws; larger plants have a connection to match."""
# (energy price, feed-in price) of three suppliers in micro-units per kWh, net of grid fees and VAT.
UNIT_PRICES = (250_000, 120_000)
"""What the battery of an island asks, and what it pays for surplus."""
SUPPLIERS = ((185_000, 70_000), (192_000, 72_000), (178_000, 68_000))


def point_of(home: Home) -> str:
    """Metering point of a home."""
    return f"MP-{home.home_id}"


def device_of(home: Home) -> str:
    """Meter of a home."""
    return f"D-{home.home_id}"


def gateway_ids(homes: Sequence[Home]) -> dict[str, str]:
    """Gateway by home: one for every 30 homes of a street."""
    return {home.home_id: f"G{1 + position // HOMES_PER_GATEWAY}" for position, home in enumerate(homes)}


def supplier_of(lane: int) -> tuple[int, int]:
    """Energy price and feed-in price of the supplier of the home with this number, micro-units per kWh."""
    return SUPPLIERS[lane % len(SUPPLIERS)]


def is_steered(home: Home, *, islanded: bool) -> bool:
    """Whether solar can be told to feed in less: the larger plants, and on an island all, by the frequency."""
    return home.generation_w >= (1 if islanded else CONTROLLABLE_FROM_W)


def found_community(engine: Engine, world: Neighbourhood, *, network: str, seed: str, islanded: bool = False) -> None:
    """Create everything that must exist before the first reading; does nothing if it exists."""
    with reading(engine) as connection:
        if find_community(connection) is not None:
            return
    with writing(engine) as connection:
        create_community(
            connection,
            Community(
                id="demo",
                name="Sonnenfeld",
                network=network,
                tie_seed=seed,
                timezone=TIMEZONE,
                simulated=True,
            ),
        )
        tariff = Tariff(version="demonstration")
        add_tariff(connection, valid_from_s=world.first_start_s, tariff_json=json.dumps(tariff.to_json()))
        add_participant(
            connection,
            Participant(
                id=OPERATOR_ID, display_name="Operator", email="operator@demo.invalid", role="operator", created_s=0
            ),
        )
        gateways = gateway_ids(world.homes)
        for gateway_id in sorted(set(gateways.values())):
            add_gateway(connection, Gateway(id=gateway_id, name=f"Street {gateway_id[1:]}"))
        for lane, home in enumerate(world.homes):
            _add_home(connection, home, lane, gateways[home.home_id], world.first_start_s, islanded=islanded)


def _add_home(
    connection: Connection, home: Home, lane: int, gateway_id: str, valid_from_s: int, *, islanded: bool
) -> None:
    is_unit = home.home_id == UNIT_ID
    supplier_price, feed_in_price = UNIT_PRICES if is_unit else supplier_of(lane)
    add_participant(
        connection,
        Participant(
            id=home.home_id,
            display_name="Island battery" if is_unit else f"Home {home.home_id[1:]}",
            email=f"{home.home_id.lower()}@demo.invalid",
            lane=lane,
        ),
    )
    add_contract(
        connection,
        SupplyContract(
            participant_id=home.home_id,
            supplier_price_micro_per_kwh=supplier_price,
            feed_in_price_micro_per_kwh=feed_in_price,
            valid_from_s=valid_from_s,
        ),
    )
    add_metering_point(
        connection,
        MeteringPoint(
            id=point_of(home),
            participant_id=home.home_id,
            bus=home.bus,
            connection_w=max(CONNECTION_W, home.generation_w + home.battery_w),
            generation_w=home.generation_w,
            generation_controllable=is_steered(home, islanded=islanded),
            battery_wh=home.battery_wh,
            battery_w=home.battery_w,
        ),
    )
    add_device(
        connection,
        Device(id=device_of(home), metering_point_id=point_of(home), gateway_id=gateway_id, profile="eastron_sdm630"),
    )
