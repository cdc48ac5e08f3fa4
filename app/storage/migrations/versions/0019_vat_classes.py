"""Later classes of value-added tax of members; the one they joined with stays where it is."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vat_class_change",
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("valid_from_s", sa.BigInteger(), nullable=False),
        sa.Column("vat_class", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "valid_from_s"),
    )
