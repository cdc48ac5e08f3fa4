"""Founding the demonstration's community: the homes become members with meters, suppliers and an operator."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from app.demo.neighbourhood import CONTROLLABLE_FROM_W, Home, Neighbourhood
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


def found_community(engine: Engine, world: Neighbourhood, *, network: str, seed: str) -> None:
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
            _add_home(connection, home, lane, gateways[home.home_id], world.first_start_s)


def _add_home(connection: Connection, home: Home, lane: int, gateway_id: str, valid_from_s: int) -> None:
    supplier_price, feed_in_price = supplier_of(lane)
    add_participant(
        connection,
        Participant(
            id=home.home_id,
            display_name=f"Home {home.home_id[1:]}",
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
            generation_controllable=home.generation_w >= CONTROLLABLE_FROM_W,
            battery_wh=home.battery_wh,
            battery_w=home.battery_w,
        ),
    )
    add_device(
        connection,
        Device(id=device_of(home), metering_point_id=point_of(home), gateway_id=gateway_id, profile="eastron_sdm630"),
    )
