"""The community: members, contracts, meters and their readings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _community()
    _meters()


def _community() -> None:
    op.create_table(
        "community",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("market_time_unit_minutes", sa.Integer(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=True),
        sa.Column("ledger_address", sa.String(), nullable=True),
        sa.Column("ledger_code_hash", sa.String(), nullable=True),
        sa.Column("genesis_hash", sa.String(), nullable=True),
        sa.Column("drawing_json", sa.Text(), nullable=True),
        sa.Column("tie_seed", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("vat_class", sa.String(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=True),
        sa.Column("account_address", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("sign_in_code_hash", sa.String(), nullable=True),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
        sa.UniqueConstraint("lane"),
    )
    op.create_table(
        "meteringpoint",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("bus", sa.Integer(), nullable=True),
        sa.Column("connection_w", sa.Integer(), nullable=False),
        sa.Column("generation_w", sa.Integer(), nullable=False),
        sa.Column("generation_controllable", sa.Boolean(), nullable=False),
        sa.Column("battery_wh", sa.Integer(), nullable=False),
        sa.Column("battery_w", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_meteringpoint_participant_id", "meteringpoint", ["participant_id"], unique=False)
    op.create_table(
        "supplycontract",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("supplier_price_micro_per_kwh", sa.Integer(), nullable=False),
        sa.Column("feed_in_price_micro_per_kwh", sa.Integer(), nullable=False),
        sa.Column("valid_from_s", sa.BigInteger(), nullable=False),
        sa.Column("valid_to_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_supplycontract_participant_id", "supplycontract", ["participant_id"], unique=False)
    op.create_table(
        "preference",
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("sell_at_least_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("buy_at_most_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("autonomy", sa.String(), nullable=False),
        sa.Column("trading_paused", sa.Boolean(), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
        ),
        sa.PrimaryKeyConstraint("participant_id"),
    )


def _meters() -> None:
    op.create_table(
        "gateway",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("token_hash", sa.String(), nullable=True),
        sa.Column("enrolment_code_hash", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("last_seen_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address"),
        sa.UniqueConstraint("enrolment_code_hash"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("gateway_id", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway_id"],
            ["gateway.id"],
        ),
        sa.ForeignKeyConstraint(
            ["metering_point_id"],
            ["meteringpoint.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_device_gateway_id", "device", ["gateway_id"], unique=False)
    op.create_index("ix_device_metering_point_id", "device", ["metering_point_id"], unique=False)
    op.create_table(
        "reading_batch",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "epoch", "first_seq"),
    )
    op.create_table(
        "reading",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("import_mwh", sa.BigInteger(), nullable=False),
        sa.Column("export_mwh", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.Integer(), nullable=False),
        sa.Column("batch_first_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "epoch", "seq"),
    )
    op.create_index("reading_by_start", "reading", ["start_s"], unique=False)
    op.create_table(
        "interval_energy",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("import_wh", sa.Integer(), nullable=False),
        sa.Column("export_wh", sa.Integer(), nullable=False),
        sa.Column("quality", sa.String(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metering_point_id", "start_s"),
    )
    op.create_index("interval_energy_by_start", "interval_energy", ["start_s"], unique=False)
    op.create_table(
        "ingest_alarm",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
