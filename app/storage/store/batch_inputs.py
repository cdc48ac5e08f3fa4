"""Where the devices' chains of readings stand when a batch is made."""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.store.devices import DEVICES, GATEWAYS
from app.storage.store.members import POINTS
from app.storage.store.readings import BATCHES
from app.storage.tables import core_table
from contracts.evidence import DeviceHead, EarlierKey

HEADS = core_table(tables.DeviceHead)


def device_heads(connection: Connection, anchored: Iterable[DeviceHead]) -> tuple[DeviceHead, ...]:
    """Head of every device and epoch that has accepted readings, with the member it measures and the keys that signed.

    anchored  the heads of the batch before: which keys signed up to there is known from them
    """
    known = {(head.device, head.epoch): head for head in anchored}
    query = (
        select(
            HEADS.c.device_id,
            HEADS.c.epoch,
            HEADS.c.next_seq,
            HEADS.c.head,
            POINTS.c.id.label("point_id"),
            POINTS.c.participant_id,
            GATEWAYS.c.address,
        )
        .join(DEVICES, DEVICES.c.id == HEADS.c.device_id)
        .join(POINTS, POINTS.c.id == DEVICES.c.metering_point_id)
        .join(GATEWAYS, GATEWAYS.c.id == DEVICES.c.gateway_id)
        .order_by(HEADS.c.device_id, HEADS.c.epoch)
    )
    heads = []
    for row in connection.execute(query).mappings():
        device, epoch = row["device_id"], row["epoch"]
        *earlier, (signer, _) = _keys(connection, device, epoch, known.get((device, epoch)), row["address"])
        heads.append(
            DeviceHead(
                device=device,
                metering_point=row["point_id"],
                participant=row["participant_id"],
                epoch=epoch,
                seq=row["next_seq"] - 1,
                head=bytes(row["head"]),
                signer=signer,
                earlier_keys=tuple(EarlierKey(signer=address, until_seq=seq) for address, seq in earlier),
            )
        )
    return tuple(heads)


def _keys(
    connection: Connection, device: str, epoch: int, before: DeviceHead | None, address: str
) -> list[tuple[str, int]]:
    """(signer, last sequence number) of each key in turn; `address` signed what was accepted before that was kept."""
    found = [] if before is None else [(key.signer, key.until_seq) for key in before.earlier_keys]
    found += [] if before is None else [(before.signer, before.seq)]
    query = (
        select(BATCHES.c.signer, BATCHES.c.first_seq + BATCHES.c.count - 1)
        .where(
            BATCHES.c.device_id == device,
            BATCHES.c.epoch == epoch,
            BATCHES.c.first_seq > (-1 if before is None else before.seq),
        )
        .order_by(BATCHES.c.first_seq)
    )
    found += [(signer or address, int(last_seq)) for signer, last_seq in connection.execute(query)]
    return [list(run)[-1] for _, run in groupby(found, key=itemgetter(0))]
