"""Evidence for a ticket: one button gives a note to copy and two files, and shows no secret."""

from lamina_core.domain import Event
from lamina_core.store import events
from tests.pages.conftest import Desk, Screen

SECRETS = {
    "our key": "lma_test",
    "named": "hunter2-Zq9",
    "bearer": "bearer-s3cret",
    "start token": "0123abcd0123abcd0123abcd0123abcd",
    "userinfo": "topsecret",
    "mail": "ada.lovelace@example.com",
}
TEXT = (
    f"{SECRETS['our key']} Bearer {SECRETS['bearer']} password={SECRETS['named']} {SECRETS['mail']} "
    f"https://a:{SECRETS['userinfo']}@files.example.com/?start={SECRETS['start token']}"
)


def keep(desk: Desk) -> int:
    outputs = [{"label": "Picture", "type": "image", "status": "error", "value": None, "error": TEXT}]
    inputs = {"Prompt": "a red bike", "deep": [{"API Key": SECRETS["named"], "note": TEXT}]}
    row_id = desk.keep("failed", error=f"No answer. {TEXT}", app_name=TEXT, inputs=inputs, outputs=outputs)
    told = Event(desk.parts.clock.now(), "checked", TEXT, {"token": SECRETS["named"]}, row_id)
    desk.parts.writer.run(lambda connection: events.append(connection, told))
    return row_id


def notes(screen: Screen) -> list[str]:
    return [element.value for element in screen.at.code if "\n## Timeline" in element.value]


def dialog(screen: Screen) -> str:
    """All that stands in the dialog, whatever it is drawn with."""
    (found,) = [block for block in screen.at._tree if getattr(block, "type", "") == "dialog"]
    return "\n".join(str(element.proto) for element in found if hasattr(element, "proto"))


def test_the_button_opens_a_note_to_copy_and_two_files(desk: Desk):
    row_id = keep(desk)
    screen = desk.open("execution", id=str(row_id))
    assert (notes(screen), list(screen.at.get("download_button"))) == ([], [])
    screen.press("Evidence").expect_no_traceback()
    (note,) = notes(screen)
    assert note.startswith(f"# Execution {row_id} of ")
    assert "a red bike" in note
    assert f"/execution?id={row_id}`" in note
    assert "| `Streamlit` | `1." in note
    assert [button.label for button in screen.at.get("download_button")] == ["note.md", "bundle.json"]
    assert all(button.proto.url for button in screen.at.get("download_button"))


def test_no_secret_stands_in_the_dialog(desk: Desk):
    screen = desk.open("execution", id=str(keep(desk))).press("Evidence")
    shown = dialog(screen)
    assert "a red bike" in shown
    for name, secret in SECRETS.items():
        assert secret not in shown, name
    assert SECRETS["named"] in screen.text  # on the screen below: the test sees what it looks for


def test_the_dialog_is_not_there_again_when_the_screen_refreshes(desk: Desk):
    screen = desk.open("execution", id=str(keep(desk))).press("Evidence").run()
    assert notes(screen) == []
