"""What a demonstration needs, built once and found again after a restart: homes, ledger, gateways, sign-ins."""

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eth_utils.crypto import keccak
from sqlalchemy import Engine

from app.auth import set_password
from app.config import Settings
from app.demo.cars import place_cars
from app.demo.founding import OPERATOR_ID, device_of, found_community, gateway_ids, is_steered, supplier_of
from app.demo.island import ISLAND
from app.demo.meter_process import HOST, INVERTER_DEVICE_ID, METER_DEVICE_ID, METER_PROFILE
from app.demo.meters import history
from app.demo.neighbourhood import UNIT_ID, Home, Neighbourhood
from app.demo.state import DemoPlan, DemoState, write_whole
from app.errors import InputError
from app.local_gateways import LocalGateways, enrol_local
from app.market_choice import MarketChoice, adopt_choice
from app.storage.database import writing
from app.storage.store.community import save_drawing, the_community
from grid.network import GridNetwork, open_network
from meters.api import MeterApi
from meters.clock import Clock
from meters.gateway import Gateway
from meters.gateway_config import ControlConfig, GatewayConfig, MeterConfig

CONNECTION_W = 200_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How to look around: who, and with what."""

    role: str
    email: str
    password: str


def build_world(state: DemoState, plan: DemoPlan, *, days_before: int) -> Neighbourhood:
    """The homes and their profiles, made in a process of its own: the data set's reader needs a lot of memory once."""
    if not state.world.exists():
        asked = {
            "network": plan.network,
            "day": plan.day,
            "days_before": days_before,
            "households": plan.households,
            "seed": plan.seed,
            "islanded": plan.islanded,
            "out": str(state.world),
        }
        made = subprocess.run(  # noqa: S603 our own module, no shell
            [sys.executable, "-m", "app.demo.make_world", json.dumps(asked)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise InputError(made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "the homes were not made")
    return Neighbourhood.load(state.world)


def market_of(plan: DemoPlan) -> MarketChoice:
    """How the neighbours of a demonstration trade."""
    return MarketChoice(mechanism=plan.mechanism, timing=plan.timing, island=ISLAND if plan.islanded else None)


def found(engine: Engine, world: Neighbourhood, plan: DemoPlan, state: DemoState) -> dict[str, SignIn]:
    """Members, operator, sign-ins and what cars need; what exists stays."""
    found_community(engine, world, network=plan.network, seed=plan.seed, islanded=plan.islanded)
    with writing(engine) as connection:
        adopt_choice(connection, market_of(plan), next_s=world.first_start_s)
    place_cars(engine, world, first_s=plan.first_s, slots=plan.intervals)
    if not state.sign_ins.exists():
        passwords = {OPERATOR_ID: secrets.token_urlsafe(9), _shown(world.homes).home_id: secrets.token_urlsafe(9)}
        with writing(engine) as connection:
            for participant, password in passwords.items():
                set_password(connection, participant, password)
        write_whole(state.sign_ins, json.dumps(passwords))
        state.sign_ins.chmod(0o600)
    return {
        participant: SignIn(
            role="operator" if participant == OPERATOR_ID else "household",
            email=f"{participant.lower()}@demo.invalid",
            password=password,
        )
        for participant, password in json.loads(state.sign_ins.read_text()).items()
    }


def _shown(homes: Sequence[Home]) -> Home:
    """The home to look around in: with a battery, and with little for its feed-in elsewhere, so that it sells."""
    numbered = ((number, home) for number, home in enumerate(homes) if home.home_id != UNIT_ID)
    _, shown = min(numbered, key=lambda each: (not each[1].battery_w, supplier_of(each[0])[1]))
    return shown


def network_of(engine: Engine, plan: DemoPlan) -> GridNetwork:
    """The network with its limits; its picture is kept for the operator's map."""
    network = open_network(plan.network)
    with writing(engine) as connection:
        if the_community(connection).drawing_json is None:
            save_drawing(connection, json.dumps(network.drawing()))
    return network


def open_gateways(
    engine: Engine,
    world: Neighbourhood,
    ports: Mapping[str, int],
    state: DemoState,
    *,
    url: str,
    clock: Clock,
    plan: DemoPlan,
) -> LocalGateways:
    """One gateway for every street, with the homes' meters at their addresses."""
    gateways = []
    of_home = gateway_ids(world.homes)
    now_s = int(clock().timestamp())
    for gateway_id in sorted(set(of_home.values())):
        homes = [home for home in world.homes if of_home[home.home_id] == gateway_id]
        config = GatewayConfig(
            name=gateway_id,
            state_dir=state.gateway(gateway_id),
            server=url,
            meters=tuple(_meter(home, ports[home.home_id], islanded=plan.islanded) for home in homes),
        )
        credentials = enrol_local(
            engine,
            gateway_id,
            state.gateway(gateway_id),
            now_s=now_s,
            new_key=partial(keccak, f"gateway:{plan.seed}:{gateway_id}".encode()),
        )
        gateways.append(Gateway(config, clock=clock, api=MeterApi(url, clock=clock), credentials=credentials))
    return LocalGateways(gateways)


def import_history(gateways: LocalGateways, world: Neighbourhood, *, until_s: int) -> int:
    """Hand the gateways the days before, once; they deliver them like everything else. How many readings there are."""
    if not gateways.await_history():
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        readings = dict(history(world, until_s=until_s, scratch=Path(scratch) / "history.sqlite"))
    return gateways.import_histories(readings)


def settings_of(state: DemoState) -> Settings:
    """Settings of a demonstration: everything in its folder, on this machine only."""
    return Settings.load(None, {"COMMONWATT_STATE": str(state.folder)})


def _meter(home: Home, port: int, *, islanded: bool) -> MeterConfig:
    address = f"tcp://{HOST}:{port}"
    steered = is_steered(home, islanded=islanded) or home.battery_w > 0 or home.charger_w > 0
    return MeterConfig(
        device=device_of(home),
        profile=METER_PROFILE,
        address=address,
        device_id=METER_DEVICE_ID,
        connection_w=CONNECTION_W,
        control=ControlConfig(address=address, device_id=INVERTER_DEVICE_ID) if steered else None,
    )
