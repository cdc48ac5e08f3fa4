"""Alembic's entry: runs migrations on the connection it is handed, in that connection's transaction."""

from alembic import context
from sqlmodel import SQLModel

from app.storage import operation_tables, tables

assert tables.Community.metadata is operation_tables.TaskRow.metadata is SQLModel.metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True, compare_type=True)
context.run_migrations()
