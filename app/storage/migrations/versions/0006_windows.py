"""Energy over a window: what devices ask for, the orders made of it, and what they take of their home's own surplus."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "window_order",
        sa.Column("window_id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("earliest_s", sa.BigInteger(), nullable=False),
        sa.Column("latest_s", sa.BigInteger(), nullable=False),
        sa.Column("energy_wh", sa.Integer(), nullable=False),
        sa.Column("power_w", sa.Integer(), nullable=False),
        sa.Column("efficiency_permille", sa.Integer(), nullable=False),
        sa.Column("limit_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("buffer_wh", sa.Integer(), nullable=True),
        sa.Column("stored_wh", sa.Integer(), nullable=False),
        sa.Column("placed_s", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"]),
        sa.PrimaryKeyConstraint("window_id"),
    )
    op.create_index("ix_window_order_participant_id", "window_order", ["participant_id"])
    op.create_index("ix_window_order_latest_s", "window_order", ["latest_s"])
    op.create_table(
        "window_own_use",
        sa.Column("window_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("own_wh", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window_id", "start_s"),
    )
    op.add_column("market_order", sa.Column("window_id", sa.String(), nullable=True))
    op.create_index("ix_market_order_window_id", "market_order", ["window_id"])
