"""Sums over an account's transfers are answered by an index alone."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SIDES = ("debit", "credit")


def upgrade() -> None:
    for side in SIDES:
        op.create_index(f"transfer_by_{side}", "transfer", [side, "start_s", "kind", "amount_nano"])
        op.drop_index(f"ix_transfer_{side}", "transfer")


def downgrade() -> None:
    for side in SIDES:
        op.create_index(f"ix_transfer_{side}", "transfer", [side])
        op.drop_index(f"transfer_by_{side}", "transfer")
