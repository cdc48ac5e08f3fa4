"""How the community trades, and from when."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "market_choice",
        sa.Column("valid_from_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("choice_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("valid_from_s"),
    )
