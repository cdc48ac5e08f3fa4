"""Where the devices' chains of readings stand when a batch is made."""

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.store.devices import DEVICES, GATEWAYS
from app.storage.store.members import POINTS
from app.storage.tables import core_table
from contracts.evidence import DeviceHead

HEADS = core_table(tables.DeviceHead)


def device_heads(connection: Connection) -> tuple[DeviceHead, ...]:
    """Head of every device and epoch that has accepted readings, with the member it measures and who signs."""
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
    return tuple(
        DeviceHead(
            device=row["device_id"],
            metering_point=row["point_id"],
            participant=row["participant_id"],
            epoch=row["epoch"],
            seq=row["next_seq"] - 1,
            head=bytes(row["head"]),
            signer=row["address"],
        )
        for row in connection.execute(query).mappings()
    )
