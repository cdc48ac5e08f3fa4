"""A street of two homes and a battery, cut off from the grid: anna has solar, bela draws, the unit forms the island."""

import json
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine

from app.island_choice import IslandChoice
from app.market_choice import MarketChoice, adopt_choice
from app.storage.database import writing
from app.storage.store.community import add_tariff
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    SupplyContract,
    add_contract,
    add_metering_point,
    add_participant,
    change_metering_point,
    metering_point,
)
from app.storage.store.readings import save_substitutes
from contracts.tariff import Tariff
from grid.network import GridNetwork, open_network
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.neighbourhood import DAY_S

ISLAND = IslandChoice(
    lost_load_micro_per_kwh=5_000_000, balancing_price_micro_per_kwh=400_000, grid_forming_member="unit"
)
STREET = {
    "transformer.csv": "sn_kva\n100\n",
    "cables.csv": "name,from_node,to_node,type,length_m,members\n"
    "C1,station,box,NAYY 4x150 SE,150,mp-unit\n"
    "C2,box,house1,NAYY 4x50 SE,120,mp-anna\n"
    "C3,box,house2,NAYY 4x50 SE,90,mp-bela\n",
}


def street_in(folder: Path) -> GridNetwork:
    """The network of the street, its tables written to `folder`."""
    for name, text in STREET.items():
        (folder / name).write_text(text, encoding="utf-8")
    return open_network(str(folder))


def cut_off(community: Engine, street: GridNetwork, *, unit_lane: int = 3) -> None:
    """anna makes 800 Wh, bela draws 500 Wh, whatever the hour; a battery of 20 kWh and 8 kW forms the grid."""
    buses = street.member_buses()
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        add_participant(connection, Participant(id="unit", display_name="Unit", lane=unit_lane))
        add_metering_point(
            connection,
            MeteringPoint(id="mp-unit", participant_id="unit", battery_wh=20_000, battery_w=8_000, connection_w=50_000),
        )
        contract = {"supplier_price_micro_per_kwh": 350_000, "feed_in_price_micro_per_kwh": 140_000}
        add_contract(connection, SupplyContract(participant_id="unit", valid_from_s=0, **contract))
        for point in ("mp-unit", "mp-anna", "mp-bela"):
            found = metering_point(connection, point)
            assert found is not None
            change_metering_point(connection, replace(found, bus=buses[point]))
        adopt_choice(connection, MarketChoice(island=ISLAND), next_s=0)


def habit(connection: Connection, start_s: int, **net_wh: int) -> None:
    """What homes did (+ fed in) at the quarter-hour of `start_s` on the days before."""
    for day in range(1, 8):
        at = DeliveryInterval.at(start_s - day * DAY_S)
        save_substitutes(connection, [energy(name, wh, at) for name, wh in net_wh.items()], received_s=at.start_s + 900)


def energy(name: str, net_wh: int, interval: DeliveryInterval) -> IntervalEnergy:
    return IntervalEnergy(
        metering_point=f"mp-{name}", interval=interval, import_wh=max(0, -net_wh), export_wh=max(0, net_wh)
    )
