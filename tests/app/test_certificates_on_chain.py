"""Certificates of a settled month: prepared once, minted and retired on a real chain, corrected, and never more."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from web3 import Web3

from app.certificate_run import bring_certificates
from app.erasure import erase_proofs
from app.ledger_access import LedgerAccess
from app.storage.database import open_database, reading, writing
from app.storage.store.certificates import (
    CORRECTIONS,
    PLANTS,
    certificates_of,
    metered_wh,
    parts_of,
    parts_of_member,
)
from app.storage.store.chain import OUTBOX
from app.storage.store.community import COMMUNITY, the_community
from app.storage.store.settlement import salts_of
from contracts.certificate_contract import CertificateRecord
from contracts.certificates import Source, shares_leaf, shares_root
from contracts.chain import ChainUnreachable
from contracts.outbox import Outbox
from tests.app.certified_month import (
    DAYS,
    ENERGY_WH,
    JULY_S,
    JUNE_S,
    MAY_S,
    NOON,
    SLOT_S,
    SOLAR_WH,
    SOLD_WH,
    SUNNY,
    CertifiedMonth,
    certified_month,
)
from tests.app.neighbourhood import StandingClock

SLOTS = len(DAYS) * len(SUNNY)
FIRST = (MAY_S + NOON * SLOT_S) << 8 | Source.SOLAR
SUPPLY = CertificateRecord(metered_wh=SLOTS * SOLAR_WH, minted_wh=SLOTS * SOLAR_WH, retired_wh=SLOTS * SOLD_WH)


@pytest.fixture
def month(engine: Engine, tmp_path: Path) -> CertifiedMonth:
    return certified_month(engine, tmp_path)


@pytest.fixture
def access(month: CertifiedMonth) -> Iterator[LedgerAccess]:
    access = month.open()
    yield access
    access.close()


def solar(access: LedgerAccess) -> CertificateRecord:
    return access.certificates.supply(Source.SOLAR)


def business(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(OUTBOX.c.business_id).order_by(OUTBOX.c.nonce)).scalars())


def test_nothing_is_certified_before_the_final_run(month: CertifiedMonth, access: LedgerAccess) -> None:
    month.run("D1")
    assert month.prepare() == []
    assert month.bring(access) == []
    assert solar(access) == CertificateRecord(metered_wh=0, minted_wh=0, retired_wh=0)


def test_the_final_run_mints_what_was_generated_and_retires_what_neighbours_bought(
    any_engine: Engine, tmp_path: Path
) -> None:
    month = certified_month(any_engine, tmp_path)
    access = month.open()
    month.run("SF")
    assert month.prepare() == [1, 2]
    assert month.bring(access) == [1, 2]
    assert solar(access) == SUPPLY
    assert access.certificates.supply(Source.WIND).metered_wh == 0  # one turbine: its output would be told
    for _ in range(2):
        assert (month.prepare(), month.bring(access)) == ([], [])
    sent = business(month.engine)
    assert [each for each in sent if "mint" in each] == ["certificates:mint:1", "certificates:mint:2"]
    assert len(sent) == len(set(sent)) == 3 + 3 + 2 * 3  # two contracts and the members, three plants, two batches
    access.close()


def test_a_members_shares_open_the_root_on_the_chain(month: CertifiedMonth, access: LedgerAccess) -> None:
    month.run("SF")
    month.prepare()
    month.bring(access)
    with reading(month.engine) as connection:
        salts, parts = salts_of(connection, 1), parts_of(connection, 1)
        ((sequence, mine),) = parts_of_member(connection, "b2", [1])
    assert mine.consumed_wh == {FIRST + (SLOT_S << 8) * slot: 200 for slot in range(len(SUNNY))}
    assert (sequence, mine.generated_wh) == (1, {})
    assert mine.consumed_leaf == shares_leaf(salts["b2"], purpose="consumed", wh=mine.consumed_wh)
    assert shares_root(part.generated_leaf for part in parts if part.generated_leaf) == access.certificates.root(1)
    assert shares_root(part.consumed_leaf for part in parts if part.consumed_leaf) == access.certificates.root(2)


def test_energy_that_no_meter_gave_is_not_certified(month: CertifiedMonth, access: LedgerAccess) -> None:
    """Without the guessed plant two are left in that quarter-hour, and their sum would tell each the other's."""
    month.guess("s1", 0, NOON)
    month.run("SF")
    month.prepare()
    month.bring(access)
    assert solar(access).metered_wh == (SLOTS - 1) * SOLAR_WH
    assert access.certificates.record(FIRST) == CertificateRecord(metered_wh=0, minted_wh=0, retired_wh=0)


def test_a_later_run_burns_what_was_too_much_and_adds_nothing(month: CertifiedMonth, access: LedgerAccess) -> None:
    month.run("SF")
    month.prepare()
    month.bring(access)
    month.settle(0, NOON, {**ENERGY_WH, "s1": (260, 30, 0)}, run="R1")  # 40 less
    month.settle(0, NOON + 1, {**ENERGY_WH, "s1": (400, 30, 0)}, run="R1")  # 100 more
    month.run("R1")
    assert month.prepare() == [1, 2]
    assert month.bring(access) == []
    assert access.certificates.record(FIRST) == CertificateRecord(
        metered_wh=SOLAR_WH - 40, minted_wh=SOLAR_WH - 40, retired_wh=SOLD_WH
    )
    assert solar(access).minted_wh == SUPPLY.minted_wh - 40
    month.settle(0, NOON, {**ENERGY_WH, "s1": (250, 30, 0)}, run="RF")
    month.run("RF")
    month.prepare()
    month.bring(access)
    month.bring(access)
    assert solar(access).minted_wh == SUPPLY.minted_wh - 50
    with reading(month.engine) as connection:
        batch = certificates_of(connection, 1)
        assert batch is not None
        assert metered_wh(connection, batch)[FIRST] == access.certificates.record(FIRST).metered_wh
        burned = connection.execute(select(CORRECTIONS.c.run, CORRECTIONS.c.metered_wh, CORRECTIONS.c.burned))
        assert sorted(map(tuple, burned)) == [("R1", SOLAR_WH - 40, True), ("RF", SOLAR_WH - 50, True)]


def test_what_a_correction_could_not_burn_is_withheld_from_the_next_and_from_its_consumers(
    any_engine: Engine, tmp_path: Path
) -> None:
    """May lost 200 of which 60 were held: 140 fewer are minted in June, and 80 fewer are left for its consumers."""
    month = certified_month(any_engine, tmp_path, days=(0, 31))
    access = month.open()
    month.run("SF")
    assert (month.prepare(), month.bring(access)) == ([1], [1])
    month.settle(0, NOON, {**ENERGY_WH, "s1": (100, 30, 0)}, run="R1")
    month.run("R1")
    assert (month.prepare(), month.bring(access)) == ([1], [])
    month.run("SF", first_start_s=JUNE_S, end_s=JULY_S)
    assert (month.prepare(), month.bring(access)) == ([2], [2])
    june = FIRST + (31 * 86_400 << 8)
    assert access.certificates.record(june) == CertificateRecord(
        metered_wh=SOLAR_WH, minted_wh=SOLAR_WH - 140, retired_wh=SOLAR_WH - 140
    )
    with reading(any_engine) as connection:
        batch, parts = certificates_of(connection, 2), parts_of(connection, 2)
    assert batch is not None
    assert batch.totals_wh[june] == (SOLAR_WH, SOLAR_WH - 140)
    shares = {part.participant: part.consumed_wh[june] for part in parts if part.consumed_wh}
    assert shares == {"b1": 260, "b2": 173, "b3": 87}  # 520 by 300, 200 and 100
    root = shares_root(part.consumed_leaf for part in parts if part.consumed_leaf)
    assert root == batch.consumed_root == access.certificates.root(4)
    access.close()


def test_certificates_wait_for_a_chain_that_is_away_and_for_a_paused_contract(
    month: CertifiedMonth, access: LedgerAccess
) -> None:
    month.run("SF")
    month.prepare()

    def away() -> object:
        raise ChainUnreachable("the chain has a day off")

    with pytest.raises(ChainUnreachable):
        bring_certificates(month.engine, away)
    contract = Web3.to_checksum_address(access.certificates.address)
    for signature in ("pause()", "unpause()"):
        access.outbox.send(signature, contract, bytes(Web3.keccak(text=signature)[:4]))
        month.bring(access)
    assert solar(access) == SUPPLY


def test_a_community_of_an_earlier_version_gets_its_contract_at_the_next_start(month: CertifiedMonth) -> None:
    access = month.open()
    ledger = access.ledger.address
    access.close()
    with writing(month.engine) as connection:
        connection.execute(COMMUNITY.update().values(certificates_address=None))
    # Its outbox knows the deployment: a crash between sending and remembering deploys no second one.
    addresses = set()
    for _ in range(2):
        access = month.open()
        addresses.add(access.certificates.address)
        with reading(month.engine) as connection:
            assert the_community(connection).certificates_address == access.certificates.address
        assert access.ledger.address == ledger
        access.close()
    assert len(addresses) == 1


def test_erased_secrets_leave_no_way_from_a_plant_or_a_share_to_the_member(
    month: CertifiedMonth, access: LedgerAccess
) -> None:
    month.run("SF")
    month.prepare()
    erase_proofs(month.engine, "s1", until_s=None, at_s=JULY_S, actor="olga")
    with reading(month.engine) as connection:
        assert "mp-s1" not in list(connection.execute(select(PLANTS.c.metering_point_id)).scalars())
    month.bring(access)  # the roots are those that were prepared before
    assert solar(access) == SUPPLY


def _killed(url: str, folder: Path, after: int) -> None:
    """Certify in a process that kills itself at the `after`-th step of sending."""
    month = CertifiedMonth(engine=open_database(url), folder=folder, clock=StandingClock(JULY_S))
    steps = iter(range(after))

    def step() -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sign, broadcast = Outbox._sign, Outbox._broadcast

    def signing(outbox: Outbox, *arguments: object) -> object:
        step()
        return sign(outbox, *arguments)

    def sending(outbox: Outbox, stored: object) -> None:
        step()
        broadcast(outbox, stored)
        step()

    Outbox._sign, Outbox._broadcast = signing, sending
    access = month.open()
    month.prepare()
    month.bring(access)
    os._exit(0)


def test_killed_at_any_step_everything_is_minted_and_retired_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'community.sqlite'}"
    month = certified_month(open_database(url), tmp_path)
    month.run("SF")
    month.engine.dispose()
    spawned = multiprocessing.get_context("spawn")
    codes = []
    for after in (2, 5, 8, 9, 4):
        process = spawned.Process(target=_killed, args=(url, tmp_path, after))
        process.start()
        process.join(60)
        codes.append(process.exitcode)
    assert codes.count(-signal.SIGKILL) >= 4, codes
    access = month.open()
    month.prepare()
    month.bring(access)
    assert solar(access) == SUPPLY
    sent = business(month.engine)
    assert len(sent) == len(set(sent)) == 12
    assert access.embedded is not None
    assert access.embedded.evm.head.block_number == 12
    access.close()
