"""Certificates of energy: their contract, plants, shares and corrections."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("community", sa.Column("certificates_address", sa.String(), nullable=True))
    op.add_column("meteringpoint", sa.Column("generation_source", sa.String(), nullable=False, server_default="solar"))
    op.create_table(
        "certified_plant",
        sa.Column("metering_point_id", sa.String(), nullable=False),
        sa.Column("source", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pseudonym", sa.LargeBinary(), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("metering_point_id", "source"),
    )
    op.create_table(
        "certificate_batch",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("first_start_s", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("totals_json", sa.Text(), nullable=False),
        sa.Column("generated_root", sa.LargeBinary(), nullable=False),
        sa.Column("consumed_root", sa.LargeBinary(), nullable=False),
        sa.Column("readings_root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index(op.f("ix_certificate_batch_first_start_s"), "certificate_batch", ["first_start_s"])
    op.create_table(
        "certificate_part",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.String(), nullable=False),
        sa.Column("shares_z", sa.LargeBinary(), nullable=False),
        sa.Column("generated_leaf", sa.LargeBinary(), nullable=False),
        sa.Column("consumed_leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", "participant_id"),
    )
    op.create_table(
        "certificate_correction",
        sa.Column("certificate_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("metered_wh", sa.BigInteger(), nullable=False),
        sa.Column("burned", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("certificate_id", "run"),
    )
    op.create_index(op.f("ix_certificate_correction_sequence"), "certificate_correction", ["sequence"])
    op.create_table(
        "certified_run",
        sa.Column("first_start_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("first_start_s", "name"),
    )
