"""The market: orders, rounds, settlement and the chain."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _market()
    _settlement()
    _records()


def _market() -> None:
    op.create_table(
        "envelope",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("import_limit_w", sa.Integer(), nullable=False),
        sa.Column("export_limit_w", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("metering_point_id", "start_s"),
    )
    op.create_table(
        "market_order",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("quantity_wh", sa.Integer(), nullable=False),
        sa.Column("limit_micro_per_kwh", sa.Integer(), nullable=False),
        sa.Column("firmness", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("placed_s", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
        ),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("ix_market_order_participant_id", "market_order", ["participant_id"], unique=False)
    op.create_index("ix_market_order_start_s", "market_order", ["start_s"], unique=False)
    op.create_table(
        "market_round",
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("closed_s", sa.BigInteger(), nullable=True),
        sa.Column("cleared_s", sa.BigInteger(), nullable=True),
        sa.Column("book_hash", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=True),
        sa.Column("clearing_price_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("traded_wh", sa.Integer(), nullable=True),
        sa.Column("binding_count", sa.Integer(), nullable=True),
        sa.Column("clearing_json", sa.Text(), nullable=True),
        sa.Column("clearing_hash", sa.String(), nullable=True),
        sa.Column("network_json", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("start_s"),
    )
    op.create_table(
        "trade",
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("accepted_wh", sa.Integer(), nullable=False),
        sa.Column("curtailed_wh", sa.Integer(), nullable=False),
        sa.Column("price_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("ix_trade_start_s", "trade", ["start_s"], unique=False)
    op.create_table(
        "set_point",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("generation_limit_w", sa.Integer(), nullable=True),
        sa.Column("battery_w", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("metering_point_id", "start_s"),
    )


def _settlement() -> None:
    op.create_table(
        "allocation",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("bought_wh", sa.Integer(), nullable=False),
        sa.Column("sold_wh", sa.Integer(), nullable=False),
        sa.Column("residual_import_wh", sa.Integer(), nullable=False),
        sa.Column("residual_export_wh", sa.Integer(), nullable=False),
        sa.Column("curtailed_wh", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("metering_point_id", "start_s"),
    )
    op.create_index("allocation_by_start", "allocation", ["start_s"], unique=False)
    op.create_table(
        "transfer",
        sa.Column("transfer_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("debit", sa.String(), nullable=False),
        sa.Column("credit", sa.String(), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("energy_wh", sa.Integer(), nullable=False),
        sa.Column("price_micro_per_kwh", sa.Integer(), nullable=False),
        sa.Column("batch_sequence", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("transfer_id"),
    )
    op.create_index("ix_transfer_batch_sequence", "transfer", ["batch_sequence"], unique=False)
    op.create_index("ix_transfer_credit", "transfer", ["credit"], unique=False)
    op.create_index("ix_transfer_debit", "transfer", ["debit"], unique=False)
    op.create_index("ix_transfer_start_s", "transfer", ["start_s"], unique=False)
    op.create_table(
        "settlement_batch",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("first_start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("trades_root", sa.String(), nullable=False),
        sa.Column("readings_root", sa.String(), nullable=False),
        sa.Column("evidence_hash", sa.String(), nullable=False),
        sa.Column("net_json", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tx_hash", sa.String(), nullable=True),
        sa.Column("block_number", sa.Integer(), nullable=True),
        sa.Column("block_hash", sa.String(), nullable=True),
        sa.Column("gas_used", sa.Integer(), nullable=True),
        sa.Column("prepared_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_table(
        "member_salt",
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "sequence"),
    )


def _records() -> None:
    op.create_table(
        "tariff_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("valid_from_s", sa.BigInteger(), nullable=False),
        sa.Column("tariff_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("valid_from_s"),
    )
    op.create_table(
        "chain_outbox",
        sa.Column("business_id", sa.String(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stored_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("business_id"),
        sa.UniqueConstraint("nonce"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
