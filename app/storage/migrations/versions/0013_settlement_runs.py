"""Settlement runs, what they corrected and no batch holds yet, and standing limits as they were."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("allocation", sa.Column("pending", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("settlement_batch", sa.Column("corrects_from_s", sa.BigInteger(), nullable=True))
    op.create_table(
        "settlement_run",
        sa.Column("first_start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("ran_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("intervals_changed", sa.Integer(), nullable=False),
        sa.Column("transfers_posted", sa.Integer(), nullable=False),
        sa.Column("moved_nano", sa.BigInteger(), nullable=False),
        sa.Column("missing_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("first_start_s", "name"),
    )
    op.create_table(
        "preference_version",
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sell_at_least_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("buy_at_most_micro_per_kwh", sa.Integer(), nullable=True),
        sa.Column("autonomy", sa.String(), nullable=False),
        sa.Column("trading_paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "changed_s"),
    )
    # What was before is not known: the limits of today stand for it.
    op.execute(
        "INSERT INTO preference_version (participant_id, changed_s, sell_at_least_micro_per_kwh, "
        "buy_at_most_micro_per_kwh, autonomy, trading_paused) SELECT participant_id, 0, sell_at_least_micro_per_kwh, "
        "buy_at_most_micro_per_kwh, autonomy, trading_paused FROM preference"
    )
