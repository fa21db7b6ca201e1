"""docs/webhook-causes.md is the one table of causes, for reading."""

from pathlib import Path

from lamina_core.debugger.causes import CAUSES
from lamina_core.debugger.note import escape

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "webhook-causes.md"


def causes_table() -> str:
    rows = [
        f"| `{cause.code}` | {cause.part} | {cause.certainty} | {escape(cause.title)} | {escape(cause.fix)} |"
        for cause in CAUSES.values()
    ]
    return "\n".join(["| code | part | certainty | what it means | how to fix it |", f"|{' --- |' * 5}", *rows])


def test_the_document_holds_the_table_of_the_code():
    lines = DOCUMENT.read_text().splitlines()
    assert [line for line in lines if line.startswith("|")] == causes_table().splitlines()


def test_no_cell_breaks_out_of_its_row():
    assert all(line.replace("\\|", "").count("|") == 6 for line in causes_table().splitlines())
