"""Chain heads of the devices, coverage of intervals, access tokens, expiry of one-time codes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_token",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"]),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_access_token_participant_id", "access_token", ["participant_id"], unique=False)
    op.create_table(
        "device_head",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("import_mwh", sa.BigInteger(), nullable=False),
        sa.Column("export_mwh", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"]),
        sa.PrimaryKeyConstraint("device_id", "epoch"),
    )
    op.add_column("gateway", sa.Column("enrolment_expires_s", sa.BigInteger(), nullable=True))
    op.add_column("participant", sa.Column("sign_in_expires_s", sa.BigInteger(), nullable=True))
    op.add_column("interval_energy", sa.Column("covered_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("ingest_alarm", sa.Column("signed", sa.Boolean(), server_default=sa.true(), nullable=False))
    _heads_of_readings_already_accepted()


def _heads_of_readings_already_accepted() -> None:
    op.execute(
        """
        INSERT INTO device_head (device_id, epoch, next_seq, head, end_s, import_mwh, export_mwh, flags)
        SELECT r.device_id, r.epoch, r.seq + 1, b.head, r.start_s + r.duration_s,
               r.import_mwh, r.export_mwh, r.flags
        FROM reading r
        JOIN reading_batch b
          ON b.device_id = r.device_id AND b.epoch = r.epoch AND b.first_seq = r.batch_first_seq
        JOIN (SELECT device_id, epoch, MAX(seq) AS seq FROM reading GROUP BY device_id, epoch) newest
          ON newest.device_id = r.device_id AND newest.epoch = r.epoch AND newest.seq = r.seq
        """
    )
    # Until this version only whole intervals were written.
    op.execute(
        "UPDATE interval_energy SET covered_s = COALESCE((SELECT market_time_unit_minutes * 60 FROM community), 900)"
    )
