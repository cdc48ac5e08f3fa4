"""Opening and upgrading the database, on SQLite and on PostgreSQL."""

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from app.errors import InputError
from app.storage.database import connect_database, open_database, reading, writing
from app.storage.schema import head_revision, upgrade_to, upgrade_to_head
from app.storage.tables import TariffVersion, core_table

TARIFFS = core_table(TariffVersion)


def test_migrations_build_exactly_the_tables(any_engine: Engine) -> None:
    with reading(any_engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_opening_again_changes_nothing(any_engine: Engine, any_url: str) -> None:
    with writing(any_engine) as connection:
        connection.execute(text("INSERT INTO tariff_version (valid_from_s, tariff_json) VALUES (1, '{}')"))
    again = open_database(any_url)
    with reading(again) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == head_revision()
        assert connection.execute(text("SELECT count(*) FROM tariff_version")).scalar_one() == 1
    again.dispose()


def test_a_database_of_a_newer_program_is_refused(any_engine: Engine, any_url: str) -> None:
    with writing(any_engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match="newer Commonwatt"):
        open_database(any_url)


def test_sqlite_is_opened_durable_and_strict(engine: Engine) -> None:
    with reading(engine) as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_row_without_its_parent_is_refused(any_engine: Engine) -> None:
    with pytest.raises(DBAPIError), writing(any_engine) as connection:
        connection.execute(text("INSERT INTO preference VALUES ('nobody', NULL, NULL, 'full', FALSE, 0)"))


def test_a_failed_transaction_leaves_nothing(any_engine: Engine) -> None:
    def insert_and_fail() -> None:
        with writing(any_engine) as connection:
            connection.execute(text("INSERT INTO tariff_version (valid_from_s, tariff_json) VALUES (1, '{}')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()
    with reading(any_engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM tariff_version")).scalar_one() == 0


def test_reading_neither_waits_for_a_writer_nor_sees_half_its_work(any_engine: Engine) -> None:
    with writing(any_engine) as writer:
        writer.execute(text("INSERT INTO tariff_version (valid_from_s, tariff_json) VALUES (1, '{}')"))
        with reading(any_engine) as reader:
            assert reader.execute(text("SELECT count(*) FROM tariff_version")).scalar_one() == 0


def test_two_writers_take_turns_and_none_is_lost(any_engine: Engine) -> None:
    with writing(any_engine) as connection:
        connection.execute(text("INSERT INTO tariff_version (id, valid_from_s, tariff_json) VALUES (1, 0, '{}')"))

    def count_up() -> None:
        for _ in range(20):
            with writing(any_engine) as connection:
                value = connection.execute(select(TARIFFS.c.valid_from_s).with_for_update()).scalar_one()
                connection.execute(update(TARIFFS).values(valid_from_s=value + 1))

    threads = [threading.Thread(target=count_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(any_engine) as connection:
        assert connection.execute(text("SELECT valid_from_s FROM tariff_version")).scalar_one() == 60


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "in memory"),
        ("mysql://host/name", "not supported"),
        ("the cellar", "not a database URL"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot open the database"),
    ],
)
def test_a_useless_url_is_refused_in_one_line(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_database(url)


def test_a_password_is_not_shown_when_the_database_is_away() -> None:
    with pytest.raises(InputError) as refused:
        open_database("postgresql://me:verysecret@127.0.0.1:1/none")
    assert "verysecret" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.sqlite").write_text("Dear neighbour, this is a letter and not a database." * 20)
    with pytest.raises(InputError, match="cannot open the database"):
        open_database(f"sqlite:///{tmp_path / 'letter.sqlite'}")


OLD_DATA = """
INSERT INTO community (id, name, currency, timezone, market_time_unit_minutes, network, simulated, tie_seed)
  VALUES ('c', 'C', 'EUR', 'Europe/Berlin', 15, 'n', FALSE, 's');
INSERT INTO participant (id, display_name, role, status, vat_class, created_s)
  VALUES ('p', 'P', 'household', 'active', 'private', 0);
INSERT INTO meteringpoint VALUES ('mp', 'p', NULL, 25000, 0, FALSE, 0, 0);
INSERT INTO gateway (id, name, status) VALUES ('g', 'G', 'approved');
INSERT INTO device VALUES ('d', 'mp', 'g', 'eastron_sdm630');
INSERT INTO reading_batch VALUES ('d', 0, 0, 2, '', 'early', '', 0), ('d', 0, 2, 1, '', 'late', '', 0);
INSERT INTO reading VALUES ('d', 0, 0, 0, 0, 10, 5, 0, 0), ('d', 0, 1, 0, 900, 20, 5, 0, 0),
  ('d', 0, 2, 900, 900, 30, 6, 0, 2);
INSERT INTO interval_energy VALUES ('mp', 0, 10, 0, 'measured', 0);
INSERT INTO transfer VALUES ('t1', 0, 'D1', 'energy', 'member:a', 'member:b', 700, 7, 100, NULL),
  ('t2', 900, 'D1', 'energy', 'member:b', 'member:c', 9000000000000, 7, 100, NULL)
"""


def test_upgrading_from_the_previous_schema_keeps_balances_and_chains(any_url: str) -> None:
    old = connect_database(any_url)
    with writing(old) as connection:
        upgrade_to(connection, "0002")
        for statement in OLD_DATA.split(";"):
            connection.execute(text(statement))
    with writing(old) as connection:
        upgrade_to_head(connection)
    with reading(old) as connection:
        credits_nano = connection.execute(text("SELECT credit, sum(amount_nano) FROM transfer GROUP BY credit")).all()
        heads = connection.execute(text("SELECT next_seq, head, end_s, import_mwh, export_mwh FROM device_head")).all()
        covered = connection.execute(text("SELECT covered_s FROM interval_energy")).scalar_one()
    assert {account: int(total) for account, total in credits_nano} == {"member:b": 700, "member:c": 9_000_000_000_000}
    assert [(row[0], bytes(row[1]) if not isinstance(row[1], str) else row[1].encode(), *row[2:]) for row in heads] == [
        (3, b"late", 1800, 30, 6)
    ]
    assert covered == 900
    old.dispose()


def test_a_migration_that_fails_leaves_the_old_schema(any_url: str) -> None:
    engine = connect_database(any_url)
    with writing(engine) as connection:
        upgrade_to(connection, "0002")
        connection.execute(text("CREATE TABLE device_head (in_the_way INTEGER)"))
    with pytest.raises(DBAPIError), writing(engine) as connection:
        upgrade_to_head(connection)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
        assert connection.execute(text("SELECT count(*) FROM participant")).scalar_one() == 0
    engine.dispose()
