"""`python -m lamina_core doctor`: each planted fault is found, named and mended; what is right is left alone."""

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamina_core.__main__ import main
from lamina_core.store import rollups, tally
from lamina_core.store.engine import Engines
from tests.unit.conftest import T0, report

Run = Callable[..., tuple[int, list[str]]]
ERRORS = ("Provider timed out after 30 s", "Could not fetch https://example.com/a.png: 404", 'quote " and ünï')


@pytest.fixture
def doctor(engines: Engines, capsys, monkeypatch) -> Run:
    """Run the command on the test's database; give its exit status and its lines."""
    url = engines.read.url.render_as_string(hide_password=False)

    def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["lamina_core", "doctor", "--database", url, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def filled(end, writer) -> list[int]:
    """Executions that failed in several ways, completed, and changed their minds."""
    rows = [end(error, seconds=1_800 * place, app=f"app-{place % 3 % 2}") for place, error in enumerate(ERRORS * 2)]
    rows += [end(seconds=60), end(replay_of=rows[0], seconds=90)]
    writer.run(lambda connection: report(connection, rows[1], None, 9_000))
    writer.run(lambda connection: connection.exec_driver_sql("UPDATE execution SET reference = 'A-1' WHERE id = 1"))
    return rows


def wrong(lines: list[str]) -> set[str]:
    return {line.split(":")[0].removeprefix("WRONG").strip() for line in lines if line.startswith("WRONG")}


def test_after_any_news_all_is_well(filled, doctor):
    status, lines = doctor()
    assert (status, lines[-1], wrong(lines)) == (0, "All is well.", set())
    assert {check.name for check in rollups.CHECKS} <= {line.split(":")[0].removeprefix("ok").strip() for line in lines}


def test_an_empty_database_is_well(doctor):
    assert doctor()[0] == 0


FAULTS = {
    "tally": ["UPDATE tally_change SET number = 2 WHERE id = (SELECT min(id) FROM tally_change)"],
    "groups of failures": ["DELETE FROM failure_group WHERE number > 1"],
    "failures in groups": ["UPDATE failure_group SET open_number = open_number + 1 WHERE number > 1"],
    "failures by hour": ["DELETE FROM failure_hour WHERE number > 0"],
    "copies in failures": ["UPDATE failure SET status = 'completed'"],
    "durations": ["UPDATE execution SET duration = duration + 5 WHERE id = 3"],
    "texts": ["UPDATE execution_text SET reference = 'B-2' WHERE execution = 1"],
    "payloads": ["DELETE FROM execution_payload WHERE execution = 2"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_named_and_mended(name, filled, engines, doctor):
    with engines.write.begin() as connection:
        for statement in FAULTS[name]:
            connection.exec_driver_sql(statement)
    status, lines = doctor()
    assert (status, lines[-1]) == (1, "Something is amiss.")
    assert wrong(lines) - {"index of references"} == {name}  # which follows the texts
    status, lines = doctor("--repair")
    assert (status, lines[-1]) == (0, "All is well.")
    assert f"       {name}: made anew" in lines
    status, lines = doctor()
    assert (status, wrong(lines)) == (0, set())


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE failure_group SET number = number - 1 WHERE number > 1",
        "UPDATE failure_group SET last_seen = first_seen WHERE last_seen > first_seen",
        "UPDATE failure_group SET first_seen = last_seen WHERE last_seen > first_seen",
    ],
)
def test_each_part_of_a_group_is_looked_at(change, filled, engines, doctor):
    with engines.write.begin() as connection:
        assert connection.exec_driver_sql(change).rowcount
    assert wrong(doctor()[1]) == {"failures in groups"}
    assert doctor("--repair")[0] == 0


def test_a_tally_that_was_added_up_is_as_right_as_one_that_was_not(filled, writer, doctor):
    writer.run(tally.fold)
    assert doctor()[0] == 0
    writer.run(lambda connection: connection.exec_driver_sql("UPDATE tally SET number = number + 1").close())
    assert wrong(doctor()[1]) == {"tally"}
    assert doctor("--repair")[0] == 0


def test_a_duration_without_an_end_is_wrong(filled, engines, doctor):
    with engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE execution SET completed_at = NULL WHERE id = 4")
    assert wrong(doctor()[1]) == {"durations"}
    assert doctor("--repair")[0] == 0
    with engines.reading() as connection:
        assert connection.exec_driver_sql("SELECT duration FROM execution WHERE id = 4").scalar_one() is None


# SQLite's text indexes, file and references

ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
INDEXES = {
    "error_index": ("index of errors", "error"),
    "reference_index": ("index of references", "reference"),
    "inputs_index": ("index of inputs", "words"),
}


@ONLY_SQLITE
@pytest.mark.parametrize("index", INDEXES)
def test_a_text_that_is_not_indexed_is_found(index, filled, engines, doctor):
    with engines.write.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO {index} ({index}) VALUES ('delete-all')")
    assert wrong(doctor()[1]) == {INDEXES[index][0]}
    assert doctor("--repair")[0] == 0
    assert doctor()[0] == 0


@ONLY_SQLITE
@pytest.mark.parametrize("index", INDEXES)
def test_what_is_gone_and_still_indexed_is_found(index, filled, engines, doctor):
    name, column = INDEXES[index]
    text = {"error_index": ERRORS[0], "reference_index": "A-1", "inputs_index": "a fox, 1"}[index]
    with engines.write.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO {index} (rowid, {column}) VALUES (999, ?)", (text,))
    assert wrong(doctor()[1]) == {name}
    assert doctor("--repair")[0] == 0


@ONLY_SQLITE
def test_a_text_of_no_execution_and_one_that_is_missing_are_mended_with_their_index(filled, engines, doctor):
    with engines.write.connect() as connection:
        connection.connection.execute("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("INSERT INTO execution_text VALUES (999, 'Z-9', 'an error of nobody')")
        connection.exec_driver_sql("DELETE FROM execution_text WHERE execution = 3")
        connection.exec_driver_sql("UPDATE execution_text SET error = 'another error' WHERE execution = 1")
        connection.commit()
        connection.connection.execute("PRAGMA foreign_keys=ON")
    assert {"references", "texts"} <= wrong(doctor()[1])
    assert doctor("--repair")[0] == 1, "the references were looked at first"
    assert doctor()[0] == 0
    with engines.reading() as connection:
        found = "SELECT rowid FROM error_index WHERE error_index MATCH ?"
        assert connection.exec_driver_sql(found, ('"of nobody"',)).all() == []
        assert (3,) in connection.exec_driver_sql(found, ('"quote "" and"',)).all()


@ONLY_SQLITE
def test_a_row_that_refers_to_nothing_is_found_and_left_to_people(filled, engines, doctor):
    with engines.write.connect() as connection:
        connection.connection.execute("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("UPDATE event SET execution = 999 WHERE id = 1")
        connection.commit()
        connection.connection.execute("PRAGMA foreign_keys=ON")
    status, lines = doctor("--repair")
    assert (status, wrong(lines)) == (1, {"references"})
    assert any("1 rows refer to nothing, in event" in line for line in lines)


@ONLY_SQLITE
def test_a_damaged_file_is_found(filled, engines, doctor, tmp_path: Path):
    with engines.write.begin() as connection:
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'event'").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    engines.close()  # the last one to close it writes the log into the file
    with (tmp_path / "desk.db").open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 200)
    status, lines = doctor()
    assert status in {1, 2}
    assert "file" in wrong(lines)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_missing_index_of_postgresql_is_found(filled, engines, doctor):
    with engines.write.begin() as connection:
        connection.exec_driver_sql("DROP INDEX error_index")
    assert wrong(doctor()[1]) == {"index of errors"}


# What cannot be checked


def test_an_older_database_is_told_and_not_touched(engines, doctor):
    with engines.write.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    status, lines = doctor("--repair")
    assert (status, wrong(lines), len(lines)) == (1, {"version"}, 2)
    assert "version 0004" in lines[0]


@pytest.mark.parametrize(
    ("url", "told"),
    [("sqlite:///{}/none.db", "There is no database"), ("mysql://x", "--database"), ("sqlite:///{}/text", "database")],
)
def test_what_is_no_database_ends_with_2(url, told, tmp_path: Path, capsys, monkeypatch):
    (tmp_path / "text").write_text("no database at all " * 100)
    monkeypatch.setattr(sys, "argv", ["lamina_core", "doctor", "--database", url.format(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_a_settable_instant_of_a_group_may_lie_after_its_failures(filled, engines, doctor):
    """A failure that was taken back, or is deleted for its age, was seen all the same."""
    with engines.write.begin() as connection:
        later = sa.text("UPDATE failure_group SET last_seen = :later").bindparams(later=T0 + timedelta(days=9))
        connection.execute(later)
    assert doctor()[0] == 0
