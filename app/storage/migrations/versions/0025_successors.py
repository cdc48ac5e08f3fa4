"""Ledgers that took over, and wallets that the ledger is to learn of."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("community", sa.Column("first_ledger_address", sa.String(), nullable=True))
    op.create_table(
        "wallet_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_wallet_move_participant_id"), "wallet_move", ["participant_id"])
    # Wallets that were bound before the ledger could learn of it.
    op.execute(
        "INSERT INTO wallet_move (participant_id, before, after) "
        "SELECT participant.id, member_key.address, participant.account_address FROM participant "
        "LEFT JOIN member_key ON member_key.participant_id = participant.id "
        "WHERE participant.lane IS NOT NULL AND participant.account_address IS NOT NULL "
        "AND EXISTS (SELECT 1 FROM audit_entry WHERE action = 'wallet bound' AND subject = participant.id)"
    )
