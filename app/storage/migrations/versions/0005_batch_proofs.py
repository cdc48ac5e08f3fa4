"""What proofs of a batch need, as it was hashed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_part",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("delta_nano", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("intervals_z", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "participant_id"),
    )
    op.create_table(
        "batch_public",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("previous_evidence_hash", sa.LargeBinary(), nullable=False),
        sa.Column("heads_z", sa.LargeBinary(), nullable=False),
        sa.Column("rounds_z", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
