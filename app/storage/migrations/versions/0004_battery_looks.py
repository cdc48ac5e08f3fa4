"""What gateways report of batteries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "battery_look",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("stored_wh", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("metering_point_id", "at_s"),
    )
