"""A small community with two days behind it, made by the program itself: readings, rounds, settlement, chain.

Eight homes on one street with a transformer that is too small for all their sun. The first day is metered only, the
second is traded in daylight, settled and on the chain, the third is under way: it is 18:37.
"""

import fcntl
import json
import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from eth_account import Account
from eth_utils.crypto import keccak
from sqlalchemy import Connection, Engine

from app.agents.histories import Histories
from app.auth import set_password
from app.jobs import Scheduler
from app.ledger_access import LedgerAccess, open_ledger, settler_key, signing_domain
from app.market_round import MarketDesk
from app.settlement_run import SettlementDesk
from app.storage.database import open_database, reading, writing
from app.storage.ingest import ingest_batches
from app.storage.store.community import Community, add_tariff, create_community, save_drawing, the_community
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
from grid.network import GridNetwork, load_network
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading, sign_batch

ZONE = ZoneInfo("Europe/Berlin")
SLOT_S = 900
FIRST_DAY = datetime(2016, 6, 13, tzinfo=ZONE)
NOW = datetime(2016, 6, 15, 18, 37, tzinfo=ZONE)
TRADING_HOURS = range(9, 20)  # local; the nights would only make the tests slower
PASSWORD = "forty-two-watts"  # pragma: allowlist secret (of the tests' own street)
OPERATOR_EMAIL, MEMBER_EMAIL, OTHER_EMAIL = "operator@street.invalid", "m01@street.invalid", "m02@street.invalid"
PLANT_EMAIL = "m05@street.invalid"
GATEWAY_KEY = keccak(b"gateway of the street")
TARIFF = Tariff(version="2016")
# id -> (base load W, solar W, controllable, battery Wh)
HOMES = {
    "M01": (260, 6_000, False, 0),
    "M02": (420, 0, False, 0),
    "M03": (310, 11_000, True, 8_000),
    "M04": (380, 0, False, 0),
    "M05": (290, 12_000, True, 0),
    "M06": (450, 0, False, 0),
    "M07": (520, 0, False, 0),
    "M08": (340, 3_500, False, 0),
}


class StandingClock:
    """A clock that stands still until it is set."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant.astimezone(UTC)

    def __call__(self) -> datetime:
        return self.instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityDay:
    """The finished community: the files of its database and its chain, and the moment at which it stands."""

    database: Path
    chain: Path
    now: datetime
    url: str = ""  # of a database that is no file

    def open(self) -> Engine:
        return open_database(self.url or f"sqlite:///{self.database}")

    def copy(self, folder: Path) -> "CommunityDay":
        """The same community in a database of its own, to be changed by a test."""
        copied = folder / self.database.name
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(copied)) as target:
            source.backup(target)
        return replace(self, database=copied)


class Street:
    """Meters and gateway of the street: signed readings of every home, slot by slot."""

    def __init__(self, engine: Engine, clock: StandingClock) -> None:
        self._engine = engine
        self._clock = clock
        self._registers = {home: (1_000_000_000 + 7 * index, 0) for index, home in enumerate(HOMES)}
        self._heads: dict[str, tuple[int, bytes]] = dict.fromkeys(HOMES, (0, GENESIS_HASH))

    def report(self, starts_s: list[int]) -> None:
        """Send the readings of some slots, one batch a home."""
        with reading(self._engine) as connection:
            domain = signing_domain(the_community(connection))
        batches = []
        for home in HOMES:
            seq, head = self._heads[home]
            slots = [(at_s, SLOT_S) for at_s in starts_s]
            if seq == 0:
                slots.insert(0, (starts_s[0], 0))
            readings = [self._reading(home, seq + k, at_s, length_s) for k, (at_s, length_s) in enumerate(slots)]
            batch = sign_batch(GATEWAY_KEY, domain, tuple(readings), head)
            self._heads[home] = (readings[-1].seq + 1, batch.head)
            batches.append(_payload(batch))
        results = ingest_batches(self._engine, {"batches": batches}, self._clock())
        assert {result.status for result in results} == {"accepted"}, results

    def _reading(self, home: str, seq: int, start_s: int, duration_s: int) -> RegisterReading:
        if duration_s:
            net_wh = _net_wh(home, start_s)
            imported, exported = self._registers[home]
            self._registers[home] = (imported + max(net_wh, 0) * 1000, exported + max(-net_wh, 0) * 1000)
        imported, exported = self._registers[home]
        return RegisterReading(
            device=f"D-{home}",
            epoch=0,
            seq=seq,
            start_s=start_s,
            duration_s=duration_s,
            import_mwh=imported,
            export_mwh=exported,
        )


def shared(folder: Path) -> CommunityDay:
    """The community in `folder`, made by the first process that asks; others wait for it."""
    folder.mkdir(exist_ok=True)
    ready = folder / "ready"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            build(folder)
            ready.touch()
    return CommunityDay(database=folder / "community.sqlite", chain=folder / "chain", now=NOW)


def build(folder: Path, *, until: datetime = NOW) -> CommunityDay:
    """Make the community in `folder`, as it stands at `until`."""
    clock = StandingClock(FIRST_DAY)
    engine = open_database(f"sqlite:///{folder / 'community.sqlite'}")
    network = GridNetwork(load_network(str(network_tables(folder))))
    _found(engine, network)
    access = open_ledger(
        engine,
        chain=folder / "chain",
        key=settler_key(folder / "settler", seed="street"),
        clock=clock,
        lock_path=folder / "settler.lock",
    )
    _live(engine, clock, network, access, until)
    access.close()
    engine.dispose()
    return CommunityDay(database=folder / "community.sqlite", chain=folder / "chain", now=until)


def _live(engine: Engine, clock: StandingClock, network: GridNetwork, access: LedgerAccess, until: datetime) -> None:
    """Let the days pass: the first is reported at once, then every slot has its tick."""
    street = Street(engine, clock)
    second_day = FIRST_DAY + timedelta(days=1)
    first_s, second_s = int(FIRST_DAY.timestamp()), int(second_day.timestamp())
    scheduler = Scheduler(
        market=MarketDesk(
            engine=engine, clock=clock, network=network, histories=Histories(engine, minutes=SLOT_S // 60)
        ),
        settlement=SettlementDesk(
            engine=engine,
            clock=clock,
            ledger=access.ledger,
            salt=lambda participant, sequence: keccak(f"{participant}/{sequence}".encode()),
        ),
        minutes=SLOT_S // 60,
    )
    clock.instant = second_day.astimezone(UTC)
    street.report(list(range(first_s, second_s, SLOT_S)))
    for boundary_s in range(second_s, int(until.timestamp()) + 1, SLOT_S):
        clock.instant = datetime.fromtimestamp(boundary_s + 90, UTC)
        if boundary_s > second_s:
            street.report([boundary_s - SLOT_S])
        if datetime.fromtimestamp(boundary_s, ZONE).hour in TRADING_HOURS:
            scheduler.tick()
    clock.instant = until.astimezone(UTC)


def _found(engine: Engine, network: GridNetwork) -> None:
    start_s = int(FIRST_DAY.timestamp())
    with writing(engine) as connection:
        create_community(
            connection,
            Community(id="street", name="Lindenweg", network="street", tie_seed="street", simulated=True),
        )
        save_drawing(connection, json.dumps(network.drawing()))
        add_tariff(connection, valid_from_s=start_s, tariff_json=json.dumps(TARIFF.to_json()))
        add_participant(
            connection,
            Participant(id="OP", display_name="Olga Operator", email=OPERATOR_EMAIL, role="operator"),
        )
        address = Account.from_key(GATEWAY_KEY).address
        add_gateway(connection, Gateway(id="G1", name="Lindenweg", address=address, status="approved"))
        add_gateway(connection, Gateway(id="G2", name="Ulmenweg", address="0x" + "ab" * 20, status="pending"))
        for lane, home in enumerate(HOMES):
            _add_home(connection, home, lane, network)
        for participant in ("OP", "M01", "M02", "M05"):
            set_password(connection, participant, PASSWORD)


def _add_home(connection: Connection, home: str, lane: int, network: GridNetwork) -> None:
    start_s = int(FIRST_DAY.timestamp())
    _, solar_w, controllable, battery_wh = HOMES[home]
    add_participant(
        connection,
        Participant(id=home, display_name=f"Home {lane + 1}", email=f"{home.lower()}@street.invalid", lane=lane),
    )
    add_contract(
        connection,
        SupplyContract(
            participant_id=home,
            supplier_price_micro_per_kwh=190_000,
            feed_in_price_micro_per_kwh=70_000,
            valid_from_s=start_s,
        ),
    )
    add_metering_point(
        connection,
        MeteringPoint(
            id=f"MP-{home}",
            participant_id=home,
            bus=network.bus_index(f"house {lane + 1}"),
            connection_w=25_000,
            generation_w=solar_w,
            generation_controllable=controllable,
            battery_wh=battery_wh,
            battery_w=battery_wh // 2,
        ),
    )
    add_device(
        connection,
        Device(id=f"D-{home}", metering_point_id=f"MP-{home}", gateway_id="G1", profile="eastron_sdm630"),
    )


def network_tables(folder: Path) -> Path:
    """The street as two tables below `folder`."""
    place = folder / "network"
    place.mkdir()
    (place / "transformer.csv").write_text("sn_kva,name\n16,Lindenweg station\n")
    rows = ["name,from_node,to_node,type,length_m,members"]
    for number in range(1, len(HOMES) + 1):
        before = "station" if number == 1 else f"house {number - 1}"
        rows.append(f"cable {number},{before},house {number},NAYY 4x50 SE,45,")
    (place / "cables.csv").write_text("\n".join(rows) + "\n")
    return place


def _net_wh(home: str, start_s: int) -> int:
    """Energy a home draws in a slot (+) or feeds in (-), Wh."""
    load_w, solar_w, _, _ = HOMES[home]
    local = datetime.fromtimestamp(start_s, UTC).astimezone(ZONE)
    hour = local.hour + local.minute / 60
    evening = 2.4 * math.exp(-((hour - 19.5) ** 2) / 4) + 0.9 * math.exp(-((hour - 7.5) ** 2) / 2)
    wobble = 1 + 0.25 * math.sin(1.7 * hour + len(home) + int(home[1:]) * 2.1)
    sun = max(0.0, math.sin((hour - 5.5) / 15.5 * math.pi)) ** 1.6 if 5.5 < hour < 21 else 0.0
    cloud = 0.8 + 0.2 * math.sin(2.9 * hour + local.day)
    return round((load_w * (1 + evening) * wobble - solar_w * sun * cloud * 0.85) * SLOT_S / 3600)


def _payload(batch: ReadingBatch) -> dict[str, object]:
    return {
        "device": batch.device,
        "epoch": batch.epoch,
        "previous_hash": "0x" + batch.previous_hash.hex(),
        "signature": "0x" + batch.signature.hex(),
        "readings": [
            [each.seq, each.start_s, each.duration_s, each.import_mwh, each.export_mwh, each.flags]
            for each in batch.readings
        ],
    }
