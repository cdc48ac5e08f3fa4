"""What the rules of validation find in the days of metering points."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "day_finding",
        sa.Column("metering_point_id", sa.String(), sa.ForeignKey("meteringpoint.id"), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("doubts", sa.Boolean(), nullable=False),
        sa.Column("found_s", sa.BigInteger(), nullable=False),
        sa.Column("accepted_by", sa.String(), nullable=True),
        sa.Column("accepted_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("metering_point_id", "day", "rule"),
    )
    op.create_index("ix_day_finding_day", "day_finding", ["day"])
