"""Taking in signed readings: authentic, gapless, once.

A batch is accepted whole or refused whole, and one refusal never holds up the others. Signatures are verified
before the transaction; inside it the devices' rows are locked, so that two posts for one device take turns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from app.errors import InputError
from app.storage.admission import Admission, RefusedError
from app.storage.database import reading, writing
from app.storage.reading_payload import MalformedBatch, parse_batch
from app.storage.store.bulk import insert_all
from app.storage.store.community import the_community
from app.storage.store.devices import DEVICES, GATEWAYS, touch_gateway
from app.storage.store.readings import ALARMS
from meters.signing import ReadingBatch, SigningDomain, batch_signer

BATCHES_PER_POST_MAX = 2_000
# What anybody can send without a key is kept as evidence, but cannot fill the disk.
EVIDENCE_CHARACTERS_MAX = 4_000
STRANGERS_ALARMS_PER_HOUR_MAX = 200


class LedgerMissingError(InputError):
    """Nobody can sign for this platform before its ledger is deployed; the same readings are welcome later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The answer to one batch: status accepted, duplicate or refused; `next_seq` is what the platform waits for."""

    device: str
    epoch: int
    next_seq: int
    status: str
    code: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """Who may sign for a device."""

    point: str
    gateway: str
    address: str | None
    status: str


def ingest_batches(engine: Engine, payload: Any, now: datetime) -> list[BatchResult]:  # noqa: ANN401  any JSON value
    """Take in what a gateway posted, `{"batches": [...]}`; one result per batch, in order.

    Refusals and conflicts are kept as alarms with their evidence. Raises InputError if the payload as a whole is not
    of that form, LedgerMissingError if the community's ledger is not deployed yet.
    """
    raws = _raw_batches(payload)
    parsed = [parse_batch(raw) for raw in raws]
    with reading(engine) as connection:
        community = the_community(connection)
        senders = _senders(connection, {batch.device for batch in parsed})
    if community.signing_domain is None:
        raise LedgerMissingError("the community's ledger is not deployed yet: send the readings again later")
    refusals = [_authenticate(batch, senders, community.signing_domain) for batch in parsed]
    authentic = {batch.device for batch, refusal in zip(parsed, refusals, strict=True) if refusal is None}
    now_s = int(now.timestamp())
    with writing(engine) as connection:
        points = {device: senders[device].point for device in authentic}
        admission = Admission(connection, points, slot_s=community.market_time_unit_s, now_s=now_s)
        results, alarms = [], []
        for raw, batch, refusal in zip(raws, parsed, refusals, strict=True):
            sender = senders.get(batch.device)
            result = _result(admission, batch, refusal, signer=None if sender is None else sender.address)
            results.append(result)
            if result.code not in {None, "gap"}:
                alarms.append(_alarm(result, refusal, raw, now_s))
        admission.write()
        alarms.extend(_silence(device, message, now_s) for device, message in admission.silences)
        _keep_alarms(connection, alarms, now_s)
        for gateway in sorted({senders[device].gateway for device in authentic}):
            touch_gateway(connection, gateway, seen_s=now_s)
    return results


def _raw_batches(payload: object) -> Sequence[Any]:
    raws = payload.get("batches") if isinstance(payload, Mapping) else None
    if not isinstance(raws, list):
        raise InputError('send an object {"batches": [...]}')
    if len(raws) > BATCHES_PER_POST_MAX:
        raise InputError(f"{len(raws)} batches in one post: send at most {BATCHES_PER_POST_MAX}")
    return raws


def _senders(connection: Connection, device_ids: set[str]) -> dict[str, _Sender]:
    query = (
        select(DEVICES.c.id, DEVICES.c.metering_point_id, GATEWAYS.c.id, GATEWAYS.c.address, GATEWAYS.c.status)
        .join(GATEWAYS, GATEWAYS.c.id == DEVICES.c.gateway_id)
        .where(DEVICES.c.id.in_(device_ids))
    )
    return {
        device: _Sender(point=point, gateway=gateway, address=address, status=status)
        for device, point, gateway, address, status in connection.execute(query)
    }


def _authenticate(
    batch: ReadingBatch | MalformedBatch, senders: Mapping[str, _Sender], domain: SigningDomain
) -> RefusedError | None:
    if isinstance(batch, MalformedBatch):
        return RefusedError("malformed", batch.message)
    sender = senders.get(batch.device)
    if sender is None:
        return RefusedError("unknown_key", f"device {batch.device!r} is not registered here")
    try:
        signer = batch_signer(batch, domain)
    except ValueError as error:
        return RefusedError("bad_signature", str(error))
    return _authorise(batch, sender, signer)


def _authorise(batch: ReadingBatch, sender: _Sender, signer: str) -> RefusedError | None:
    if signer != sender.address:
        return RefusedError(
            "unknown_key",
            f"not signed by gateway {sender.gateway} of device {batch.device}: "
            f"another key ({signer}), another platform, or content changed after signing",
        )
    if sender.status == "revoked":
        return RefusedError("revoked", f"gateway {sender.gateway} is revoked")
    if sender.status != "approved":
        return RefusedError("unknown_key", f"gateway {sender.gateway} waits for an operator's approval")
    return None


def _result(
    admission: Admission, batch: ReadingBatch | MalformedBatch, refusal: RefusedError | None, *, signer: str | None
) -> BatchResult:
    status, code, message = "refused", None, ""
    try:
        if refusal is not None:
            raise refusal
        assert isinstance(batch, ReadingBatch)
        status = "accepted" if admission.admit(batch, signer=signer) else "duplicate"
    except RefusedError as error:
        code, message = error.code, str(error)
    return BatchResult(
        device=batch.device,
        epoch=batch.epoch,
        next_seq=admission.next_seq(batch.device, batch.epoch),
        status=status,
        code=code,
        message=message,
    )


def _alarm(result: BatchResult, refusal: RefusedError | None, raw: object, now_s: int) -> dict[str, Any]:
    evidence = json.dumps(raw)
    return {
        "at_s": now_s,
        "kind": result.code,
        "device_id": result.device,
        "message": result.message,
        "evidence": evidence if refusal is None else evidence[:EVIDENCE_CHARACTERS_MAX],
        "signed": refusal is None,
    }


def _silence(device: str, message: str, now_s: int) -> dict[str, Any]:
    return {"at_s": now_s, "kind": "silence", "device_id": device, "message": message, "evidence": "", "signed": True}


def _keep_alarms(connection: Connection, alarms: list[dict[str, Any]], now_s: int) -> None:
    if not alarms:
        return
    query = select(func.count()).where(ALARMS.c.at_s > now_s - 3_600, ALARMS.c.signed.is_(False))
    room = max(0, STRANGERS_ALARMS_PER_HOUR_MAX - connection.execute(query).scalar_one())
    signed = [alarm for alarm in alarms if alarm["signed"]]
    unsigned = [alarm for alarm in alarms if not alarm["signed"]]
    insert_all(connection, ALARMS, signed + unsigned[:room])
