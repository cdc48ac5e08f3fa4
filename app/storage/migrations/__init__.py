"""Alembic migrations: one file a schema version."""
