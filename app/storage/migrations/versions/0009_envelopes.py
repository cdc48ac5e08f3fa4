"""What stopped a point's feed-in, and the phase that a point is on."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("envelope", sa.Column("stopped_by_kind", sa.String(), nullable=True))
    op.add_column("envelope", sa.Column("stopped_by_element", sa.Integer(), nullable=True))
    op.add_column("meteringpoint", sa.Column("phase", sa.String(), nullable=True))
