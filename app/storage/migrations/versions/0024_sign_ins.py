"""Signed-in browsers, passkeys, one-time links and counted guesses."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in",
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("means", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("seen_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("secret_hash"),
    )
    op.create_index("ix_sign_in_participant_id", "sign_in", ["participant_id"])
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("used_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("credential_id"),
    )
    op.create_index("ix_passkey_participant_id", "passkey", ["participant_id"])
    op.create_table(
        "spent_challenge",
        sa.Column("challenge_hash", sa.String(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("challenge_hash"),
    )
    op.create_table(
        "one_time_link",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("participant_id", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code_hash"),
    )
    op.create_index("ix_one_time_link_participant_id", "one_time_link", ["participant_id"])
    op.create_table(
        "guess_count",
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expires_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash"),
    )
    op.execute(
        "INSERT INTO one_time_link (code_hash, participant_id, purpose, expires_s) "
        "SELECT sign_in_code_hash, id, 'link', sign_in_expires_s FROM participant "
        "WHERE sign_in_code_hash IS NOT NULL AND sign_in_expires_s IS NOT NULL"
    )
    op.drop_column("participant", "sign_in_code_hash")
    op.drop_column("participant", "sign_in_expires_s")
