"""How much room the database takes, and that its write-ahead log is cut without anybody waiting."""

from pathlib import Path

from lamina_core.insights.storage import describe_space
from lamina_core.store import space
from lamina_core.store.space import Space


def fill(writer) -> None:
    def work(connection) -> None:
        connection.exec_driver_sql("CREATE TABLE filling (text TEXT)")
        connection.exec_driver_sql("INSERT INTO filling VALUES ('" + "x" * 2_000_000 + "')")

    writer.run(work)


def test_what_is_deleted_is_free_for_new_rows(engines, writer):
    def measure() -> Space:
        with engines.reading() as connection:
            return space.measure(connection)

    before = measure()
    fill(writer)
    assert measure().size > before.size
    writer.run(lambda connection: connection.exec_driver_sql("DROP TABLE filling").close())
    if engines.read.dialect.name == "sqlite":
        assert measure().free >= 2_000_000
    else:
        assert measure().free is None


def test_vacuum_is_worth_it_only_where_much_is_free():
    assert not Space(1_000_000, 900_000).is_vacuum_worth_it
    assert not Space(1_000_000_000, 200_000_000).is_vacuum_worth_it
    assert not Space(1_000_000_000, None).is_vacuum_worth_it
    assert Space(400_000_000, 100_000_000).is_vacuum_worth_it
    assert "VACUUM" in describe_space(Space(400_000_000, 100_000_000))
    assert describe_space(Space(1_500_000, 500_000)) == "1.5 MB, of these 0.5 MB free for new rows"
    assert describe_space(Space(1_500_000, None)) == "1.5 MB"


def test_the_log_is_cut_to_nothing(sqlite_engines, sqlite_writer, tmp_path: Path):
    log = tmp_path / "desk.db-wal"
    fill(sqlite_writer)
    assert log.stat().st_size > 1_000_000
    assert space.shorten_log(sqlite_engines)
    assert log.stat().st_size == 0


def test_with_a_reader_or_a_writer_at_work_it_gives_up_at_once_and_goes_the_next_time(
    sqlite_engines, sqlite_writer, tmp_path: Path
):
    with sqlite_engines.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM execution").scalar_one()
        fill(sqlite_writer)
        assert not space.shorten_log(sqlite_engines)
    with sqlite_engines.write.begin():
        assert not space.shorten_log(sqlite_engines)
    assert space.shorten_log(sqlite_engines)
    with sqlite_engines.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 5_000, "as it was"


def test_postgresql_looks_after_its_own(engines):
    assert space.shorten_log(engines)
