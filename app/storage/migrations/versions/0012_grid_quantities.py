"""Shared quantities that the operator of the grid computed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grid_quantity",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("bought_wh", sa.Integer(), nullable=False),
        sa.Column("sold_wh", sa.Integer(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metering_point_id", "start_s"),
    )
