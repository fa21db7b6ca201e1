"""`python -m lamina_core backup`: a whole copy while others write, and never one over another file."""

import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lamina_core import errors
from lamina_core.__main__ import main
from lamina_core.store import copying, rollups
from lamina_core.store.engine import open_engines

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


@pytest.fixture
def command(capsys, monkeypatch) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamina_core", *words])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def test_a_copy_made_while_others_write_is_whole_and_passes_the_doctor(
    end, engines, database_url, command: Run, tmp_path: Path
):
    before = [end("It failed" if place % 2 else None) for place in range(20)]
    stopping = threading.Event()
    written = []

    def write() -> None:
        while not stopping.is_set():
            written.append(end("It failed again"))

    writing = threading.Thread(target=write)
    writing.start()
    target = tmp_path / "copy.db"
    try:
        for number in range(3):
            target = tmp_path / f"copy-{number}.db"
            status, told, _ = command("backup", str(target), "--database", database_url)
            assert (status, told) == (0, f"{target}: {target.stat().st_size:,} bytes, checked.\n")
    finally:
        stopping.set()
        writing.join()
    assert written
    assert command("doctor", "--database", f"sqlite:///{target}")[0] == 0
    with closing(sqlite3.connect(target)) as copy:
        assert {row for (row,) in copy.execute("SELECT id FROM execution")} >= set(before)
    assert not [file for file in tmp_path.iterdir() if ".part" in file.name]
    assert target.stat().st_mode & 0o077 == 0, "customers' inputs are nobody else's"


def test_a_write_between_two_steps_neither_is_in_the_copy_nor_begins_it_again(end, engines, tmp_path: Path):
    row = end(inputs={"Prompt": "x" * 20_000_000})
    steps: list[int] = []

    def tell(left: int, total: int) -> None:
        steps.append(left)
        if len(steps) == 1:
            with engines.write.begin() as connection:
                connection.exec_driver_sql(f"UPDATE execution SET reference = 'late' WHERE id = {row}")

    copying.copy(tmp_path / "desk.db", tmp_path / "copy.db", tell)
    assert len(steps) > 1
    assert steps == sorted(steps, reverse=True), "it never began again"
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT reference FROM execution").fetchall() == [(None,)]


def test_a_file_that_is_there_is_never_written_over(engines, database_url, command: Run, tmp_path: Path):
    target = tmp_path / "copy.db"
    target.write_text("precious")
    status, _, told = command("backup", str(target), "--database", database_url)
    assert status == 2
    assert "is there already" in told
    with pytest.raises(errors.StoreError, match="is there already"):
        copying.copy(tmp_path / "desk.db", target, lambda left, total: None)
    assert target.read_text() == "precious"


def test_a_file_that_comes_meanwhile_is_not_written_over(engines, tmp_path: Path):
    target = tmp_path / "copy.db"
    with pytest.raises(errors.StoreError, match="has come meanwhile"):
        copying.copy(tmp_path / "desk.db", target, lambda left, total: target.write_text("precious"))
    assert target.read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir() if "part" in file.name] == []


def test_a_damaged_database_gives_no_backup(end, engines, tmp_path: Path):
    end()
    with engines.write.begin() as connection:
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'event'").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    engines.close()
    with (tmp_path / "desk.db").open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 200)
    with pytest.raises(errors.StoreError, match="not whole"):
        copying.copy(tmp_path / "desk.db", tmp_path / "copy.db", lambda left, total: None)
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("copy.db", "--database", "postgresql+psycopg://desk@db.example.com/desk"), "pg_dump"),
        (("copy.db", "--database", "sqlite:///none.db"), "There is no database"),
        (("copy.db", "--database", "nonsense"), "--database"),
        (("none/copy.db",), "There is no folder"),
    ],
)
def test_what_cannot_be_copied_ends_with_2(words, told, engines, database_url, command: Run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = words if len(words) > 1 else (*words, "--database", database_url)
    status, _, said = command("backup", *words)
    assert status == 2
    assert told in said


def test_a_backup_opens_as_a_store(end, engines, tmp_path: Path):
    end("It failed")
    copying.copy(tmp_path / "desk.db", tmp_path / "copy.db", lambda left, total: None)
    opened = open_engines(f"sqlite:///{tmp_path / 'copy.db'}")
    with opened.reading() as connection:
        assert all(check.find(connection).is_sound for check in rollups.CHECKS)
    opened.close()
