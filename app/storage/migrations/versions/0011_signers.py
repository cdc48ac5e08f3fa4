"""Which key signed a batch of readings: a gateway may have had another before."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reading_batch", sa.Column("signer", sa.String(), nullable=True))
