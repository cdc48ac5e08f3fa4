"""Several roles a person, and what a token may be used for; tokens from before may do what their person may."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

EVERYTHING = "operator:read operator:write own:read own:trade own:write tokens treasury:read treasury:write"


def upgrade() -> None:
    op.add_column("participant", sa.Column("extra_roles", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("access_token", sa.Column("scopes", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("access_token", sa.Column("used_s", sa.BigInteger(), nullable=True))
    op.execute(sa.text("UPDATE access_token SET scopes = :everything").bindparams(everything=EVERYTHING))
