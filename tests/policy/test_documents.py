"""README and ARCHITECTURE are true: settings, commands, screens, files and tests are those of the code."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import figures
from lamina_core import config
from lamina_core.__main__ import build_parser

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()
ARCHITECTURE = (PROJECT / "ARCHITECTURE.md").read_text()
DOCUMENTS = sorted(PROJECT.glob("*.md"))


def table_rows(text: str, header: str) -> list[list[str]]:
    _, found, rest = text.partition(header)
    assert found, f"no table {header!r}"
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_readme_lists_every_setting_with_the_code_s_meaning():
    rows = table_rows(README, "| setting | default | meaning |")
    assert {name.strip("`"): meaning for name, _, meaning in rows} == dict(config.SETTINGS)


def test_readme_s_defaults_are_the_code_s():
    defaults = {name.strip("`"): default.strip("`") for name, default, _ in table_rows(README, "| setting | default |")}
    settings = config.load({"LAMINA_API_KEY": "lma_x"})
    for name, value in {
        "LAMINA_BASE_URL": settings.base_url,
        "LAMINA_API_GENERATION": settings.generation,
        "LAMINA_SANDBOX_PORT": settings.sandbox_port,
        "LAMINA_SANDBOX_SPEED": f"{settings.sandbox_speed:g}",
        "LAMINA_DESK_HOST": settings.host,
        "LAMINA_DESK_PORT": settings.port,
        "LAMINA_RATE_LIMIT_PER_MINUTE": settings.rate_limit_per_minute,
    }.items():
        assert defaults[name] == str(value), name


def test_readme_lists_every_screen():
    listed = {row[0] for row in table_rows(README, "| screen | question |")}
    stems = {path.stem for path in (PROJECT / "pages").glob("*.py")} - {"router", "__init__"}
    screens = {stem.replace("_", " ").capitalize() for stem in stems}
    assert listed == screens


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_named_in_a_document_exists(document: Path):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= targets


def test_readme_s_figures_are_those_of_the_last_bench():
    kept = json.loads(figures.LATEST.read_text())
    assert figures.BEGIN + figures.write_table(kept) + figures.END in README


def test_the_commands_of_readme_are_understood():
    commands = re.findall(r"^python -m lamina_core (.+)$", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert build_parser().parse_args(command.split()).run


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_named_file_exists(document: Path):
    text = document.read_text()
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("http")]
    named = re.findall(r"`((?:lamina_core|pages|tests|benchmarks|store|sandbox)/[\w/.*-]+)`", text)
    for target in [*linked, *named]:
        base = PROJECT if (PROJECT / target.split("/")[0]).exists() else PROJECT / "lamina_core"
        assert list(base.glob(target.rstrip("/"))), f"{document.name} names {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_speak_of_the_project_alone(document: Path):
    assert not re.findall(r"/(?:root|home|work)/", document.read_text())
