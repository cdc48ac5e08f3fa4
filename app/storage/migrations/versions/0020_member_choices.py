"""What members chose about notices and about staying."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member_choice",
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("by_mail", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("mailed_s", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("notices_seen_s", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("leave_asked_s", sa.BigInteger(), nullable=True),
        sa.Column("leave_erases", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"]),
        sa.PrimaryKeyConstraint("participant_id"),
    )


def downgrade() -> None:
    op.drop_table("member_choice")
