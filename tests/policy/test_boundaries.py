"""The rules of ARCHITECTURE.md that a reader of the code could break without noticing; each guard is seen to bite."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CORE = sorted((PROJECT / "lamina_core").rglob("*.py"))
SCREENS = sorted((PROJECT / "pages").rglob("*.py"))
OURS = [*CORE, *SCREENS, PROJECT / "dashboard.py"]

Finder = Callable[[ast.AST], Iterator[int]]


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def find_environment(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "os.getenv", "os.environb"}:
            yield node.lineno


def find_sql(tree: ast.AST) -> Iterator[int]:
    statements = {"sa.select", "sa.insert", "sa.update", "sa.delete", "sa.text"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            if called in statements or called.rpartition(".")[2] in {"exec_driver_sql", "execute"}:
                yield node.lineno


def find_clock(tree: ast.AST) -> Iterator[int]:
    read = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "time.time",
        "time.monotonic",
        "time.sleep",
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in read:
            yield node.lineno


def find_remote_write(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) in {"remote.write_remote", "remote.name", "remote.absorb"}:
            yield node.lineno


def find_unsafe_html(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in {"unsafe_allow_html", "unsafe_allow_javascript"}:
            yield node.value.lineno


RULES: dict[str, tuple[Finder, list[Path], set[str], str]] = {
    # rule: what finds a breach, where it is looked for, where it is allowed, a breach
    "only config reads the environment": (
        find_environment,
        OURS,
        {"lamina_core/config.py"},
        "import os\nos.environ['X']",
    ),
    "only the store speaks SQL, and the sandbox to its own file": (
        find_sql,
        OURS,
        {"lamina_core/store/", "lamina_core/sandbox/"},
        "connection.execute(sa.select(1))",
    ),
    "only the clock reads time": (find_clock, OURS, {"lamina_core/clock.py"}, "datetime.now(UTC)"),
    "only intake writes what Lamina said": (
        find_remote_write,
        OURS,
        {"lamina_core/intake.py"},
        "remote.write_remote(connection, [], [])",
    ),
    "no unsafe HTML": (find_unsafe_html, OURS, set(), "st.markdown(text, unsafe_allow_html=True)"),
}


@pytest.mark.parametrize(("find", "files", "allowed", "breach"), RULES.values(), ids=RULES)
def test_no_file_breaks_the_rule_and_a_breach_would_be_seen(find, files, allowed, breach):
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path in files
        for line in find(ast.parse(path.read_text()))
        if not str(path.relative_to(PROJECT)).startswith(tuple(allowed) or ("/",))
    ]
    assert found == []
    assert list(find(ast.parse(breach)))


@pytest.fixture
def copy_of_the_project(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("lamina_core", "pages"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_import_contracts_hold_and_planted_violations_are_caught(copy_of_the_project: Path):
    kept = lint_imports(copy_of_the_project)
    assert kept.returncode == 0, kept.stdout
    for file, line in (
        ("lamina_core/drafts.py", "import streamlit"),
        ("lamina_core/polling/poller.py", "import httpx"),
        ("lamina_core/store/search.py", "import lamina_core.operations"),
        ("lamina_core/sandbox/plan.py", "import lamina_core.api.wire"),
        ("pages/system.py", "import sqlalchemy"),
    ):
        planted = copy_of_the_project / file
        clean = planted.read_text()
        planted.write_text(f"{clean}\n{line}\n")
        caught = lint_imports(copy_of_the_project)
        planted.write_text(clean)
        assert caught.returncode == 1, f"{line} in {file} was not caught"
