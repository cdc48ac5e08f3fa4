"""A small community for tests: two households with meters, one operator, one gateway with a real key."""

from datetime import UTC, datetime

from eth_account import Account
from sqlalchemy import Connection, Engine, delete

from app.access_tokens import issue_token
from app.guess_limits import COUNTS
from app.storage.database import writing
from app.storage.store.community import Community, create_community, save_chain
from app.storage.store.devices import Device, Gateway, add_device, add_gateway
from app.storage.store.members import (
    MeteringPoint,
    Participant,
    SupplyContract,
    add_contract,
    add_metering_point,
    add_participant,
)
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading, SigningDomain, sign_batch

DAY_S = 86_400
NOON_S = 1_750_075_200  # 2025-06-16 12:00 UTC
GATEWAY_KEY = bytes.fromhex("11" * 32)
STRANGERS_KEY = bytes.fromhex("22" * 32)
DOMAIN = SigningDomain(chain_id=7_357, verifying_contract="0x00000000000000000000000000000000000000AA")
HOUSEHOLDS = ("anna", "bela")


class StandingClock:
    """A clock that a test sets."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)


def address_of(key: bytes) -> str:
    return str(Account.from_key(key).address)


def found_community(engine: Engine, *, first_lane: int = 1) -> None:
    """anna: 5 kW controllable solar, 10 kW connection; bela: no plant, 25 kW; both with contracts since 1970.

    Its ledger is only named; with `first_lane` 0 there is none, and one can be founded.
    """
    with writing(engine) as connection:
        create_community(connection, Community(id="hill", name="Hill Road", network="transformer:100", tie_seed="7"))
        if first_lane:
            save_chain(
                connection,
                chain_id=DOMAIN.chain_id,
                ledger_address=DOMAIN.verifying_contract,
                ledger_code_hash="0xc0de",
                genesis_hash="0x00",
            )
        add_participant(
            connection, Participant(id="olga", display_name="Olga", email="Olga@example.org", role="operator")
        )
        add_gateway(connection, Gateway(id="g1", name="Cellar", address=address_of(GATEWAY_KEY), status="approved"))
        _add_household(connection, "anna", lane=first_lane, connection_w=10_000, generation_w=5_000)
        _add_household(connection, "bela", lane=first_lane + 1, connection_w=25_000, generation_w=0)


def _add_household(connection: Connection, name: str, *, lane: int, connection_w: int, generation_w: int) -> None:
    email = f"{name}@example.org"
    add_participant(connection, Participant(id=name, display_name=name.title(), email=email, lane=lane))
    add_metering_point(
        connection,
        MeteringPoint(
            id=f"mp-{name}",
            participant_id=name,
            connection_w=connection_w,
            generation_w=generation_w,
            generation_controllable=generation_w > 0,
        ),
    )
    contract = SupplyContract(
        participant_id=name, supplier_price_micro_per_kwh=300_000, feed_in_price_micro_per_kwh=80_000, valid_from_s=0
    )
    add_contract(connection, contract)
    device = Device(id=f"d-{name}", metering_point_id=f"mp-{name}", gateway_id="g1", profile="eastron_sdm630")
    add_device(connection, device)


def readings_from(
    registers_mwh: list[tuple[int, int]],
    *,
    device: str = "d-anna",
    epoch: int = 0,
    first_seq: int = 0,
    start_s: int = NOON_S - 900,
    flags: int = 0,
) -> tuple[RegisterReading, ...]:
    """Quarter-hourly readings with the given (import, export) registers."""
    return tuple(
        RegisterReading(
            device=device,
            epoch=epoch,
            seq=first_seq + i,
            start_s=start_s + 900 * i,
            duration_s=900,
            import_mwh=imported,
            export_mwh=exported,
            flags=flags,
        )
        for i, (imported, exported) in enumerate(registers_mwh)
    )


def signed(
    readings: tuple[RegisterReading, ...], previous_hash: bytes = GENESIS_HASH, key: bytes = GATEWAY_KEY
) -> ReadingBatch:
    return sign_batch(key, DOMAIN, readings, previous_hash)


def as_json(batch: ReadingBatch) -> dict[str, object]:
    """The batch as a gateway posts it."""
    return {
        "device": batch.device,
        "epoch": batch.epoch,
        "previous_hash": "0x" + batch.previous_hash.hex(),
        "signature": "0x" + batch.signature.hex(),
        "readings": [[r.seq, r.start_s, r.duration_s, r.import_mwh, r.export_mwh, r.flags] for r in batch.readings],
    }


def token_for(engine: Engine, participant_id: str, *, now_s: int = NOON_S) -> dict[str, str]:
    """Authorization header of a household or operator."""
    with writing(engine) as connection:
        token, _ = issue_token(connection, participant_id, name="test", now_s=now_s)
    return {"Authorization": f"Bearer {token}"}


def forget_guesses(engine: Engine) -> None:
    """As if nobody had tried anything yet."""
    with writing(engine) as connection:
        connection.execute(delete(COUNTS))
