"""The street of the tests in a PostgreSQL database: every row of its SQLite file, copied."""

from dataclasses import replace

from sqlalchemy import func, insert, select, text
from sqlmodel import SQLModel

from app.storage.database import open_database, reading, writing
from tests.app.community_day import CommunityDay


def in_postgres(day: CommunityDay, url: str) -> CommunityDay:
    """The same community in the empty database at `url`."""
    source, target = day.open(), open_database(url)
    with reading(source) as rows_of, writing(target) as connection:
        for table in SQLModel.metadata.sorted_tables:
            rows = [dict(row) for row in rows_of.execute(select(table)).mappings()]
            if rows:
                connection.execute(insert(table), rows)
            if rows and "id" in table.c and table.c.id.type.python_type is int:
                newest = connection.execute(select(func.max(table.c.id))).scalar_one()
                sequence = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :newest)")
                connection.execute(sequence, {"table": f'"{table.name}"', "newest": newest})
    source.dispose()
    target.dispose()
    return replace(day, url=url)
