"""A ticket gets all that is known of an execution, as text that stays text, and no secret."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from lamina_core import intake
from lamina_core.api import wire
from lamina_core.domain import Event, Generation, Kind, Origin, Source, Update, Verdict
from lamina_core.insights import detail
from lamina_core.store import deliveries, events, executions
from lamina_core.store.deliveries import Arrival, Finding
from lamina_core.store.executions import Intent
from lamina_core.store.tables import PayloadTable
from lamina_core.triage.evidence import DELIVERY_LIMIT, TIMELINE_LIMIT, write_evidence

LINK = "https://desk.example.com/execution?id=1"
KNOWN = "known-to-the-settings"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
HOSTILE = "```\n# Not a title\n</code><script>x</script> | a \\| b \\\\| ````` @team [a](https://example.com) `"


@pytest.fixture
def database_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


def intent(*, app="Portrait Studio", by="Ada", inputs=None, token="t") -> Intent:
    return Intent(
        token=token,
        app_id="app-1",
        app_name=app,
        kind=Kind.IMAGE,
        generation=Generation.EXECUTIONS,
        inputs=inputs or {},
        chosen_outputs=(),
        origin=Origin.FORM,
        replay_of=None,
        started_by=by,
        webhook_expected=True,
    )


@pytest.fixture
def keep(engines, writer, clock):
    """Put a failed execution into the store as a start and a read would have left it, and return its evidence."""

    def keep(
        *, inputs=None, error=None, outputs=(), more=None, told=(), arrivals=(), app="Portrait Studio", token="t",
        status="failed", problems=None, by="Ada",
    ):  # fmt: skip
        began = clock.now()
        ended = began + timedelta(seconds=90)
        started = intent(app=app, by=by, inputs=inputs, token=token)
        document = {
            "executionId": "exec-1",
            "workflowId": "app-1",
            "status": status,
            "outputs": list(outputs),
            "errorMessage": error,
            "createdAt": began.isoformat(),
            "startedAt": began.isoformat(),
            "completedAt": ended.isoformat(),
            **(more or {}),
        }

        def work(connection) -> int:
            row = executions.insert_intent(connection, started, began)
            executions.refer(connection, row, "ORDER-77")
            update = Update(Source.START, began, row, report=wire.report_from(document))
            intake.apply_update(connection, update, ended)
            for kind, actor, facts in told:
                events.append(connection, Event(ended, kind, actor, facts, row))
            for reason, headers in arrivals:
                found = Arrival(ended, Verdict.ACCEPTED, reason, 200, "exec-1", "key-7", headers, b"{}", "h", token)
                deliveries.link(connection, deliveries.insert(connection, found), Finding(row, reason))
            if problems:
                refused = sa.update(PayloadTable).where(col(PayloadTable.execution) == row).values(problems=problems)
                connection.execute(refused)
            return row

        row = writer.run(work)
        found = detail.read_detail(engines, row, ended)
        versions = {"Python": "3.11.7"}
        return write_evidence(found, link=LINK, versions=versions, secrets=[KNOWN, ""], now=ended)

    return keep


def test_the_note_says_what_failed_and_has_every_fact(keep):
    outputs = [
        {"label": "Spring", "type": "image", "status": "completed", "value": "https://example.com/a.png"},
        {"label": "Winter", "type": "image", "status": "error", "error": "no snow"},
    ]
    note = keep(
        inputs={"Prompt": "a bike"},
        error="The provider did not answer",
        outputs=outputs,
        told=[("checked", "Ada", {"word": "failed"})],
        arrivals=[("duplicate", {})],
        problems=[{"field": "Prompt", "message": "too short", "code": None}],
    ).markdown
    lines = note.splitlines()
    assert lines[0] == "# Execution 1 of `Portrait Studio`: failed"
    assert lines[2] == "Its status is failed: `The provider did not answer`. 1 of 2 outputs failed: `Winter`."
    for fact in (
        f"| Link | `{LINK}` |",
        "| Our id | `1` |",
        "| Lamina's id | `exec-1` |",
        "| Reference | `ORDER-77` |",
        "| App | `Portrait Studio` |",
        "| App's id | `app-1` |",
        "| Status | `failed` |",
        "| Lamina's word | `failed` |",
        "| Started by | `Ada` |",
        "| Replay of | – |",
        "| Created | `2026-03-14 09:00:00 UTC` |",
        "| Ended | `2026-03-14 09:01:30 UTC` |",
        "| Took | `90.0 s` |",
        "| `Winter` | `image` | `error` | `no snow` |",
        '| `2026-03-14 09:01:30 UTC` | `checked` | `Ada` | `{"word": "failed"}` |',
        "| `2026-03-14 09:01:30 UTC` | `accepted` | `duplicate` | `key-7` | `2` | – |",
        "| `Python` | `3.11.7` |",
    ):
        assert fact in lines
    assert "```text\nThe provider did not answer\n```" in note
    assert '```json\n{\n  "Prompt": "a bike"\n}\n```' in note
    assert '"message": "too short"' in note


def test_the_bundle_is_json_with_instants_in_iso_and_the_last_report(keep):
    bundle = keep(error="no", inputs={"Seed": 5}, more={"extra": [1, None]}).bundle
    assert json.loads(json.dumps(bundle, allow_nan=False)) == bundle
    assert bundle["written_at"] == "2026-03-14T09:01:30+00:00"
    assert bundle["execution"]["completed_at"] == "2026-03-14T09:01:30+00:00"
    assert (bundle["execution"]["took_seconds"], bundle["inputs"]) == (90.0, {"Seed": 5})
    assert (bundle["last_report"]["extra"], bundle["versions"]) == ([1, None], {"Python": "3.11.7"})


PLANTED = {
    "known": KNOWN,
    "key": "lma_live_0123456789",
    "bearer": "bearer-s3cret",
    "basic": "ZGVzazpodW50ZXIy",
    "jwt": JWT,
    "pem": "MIGHAgEAMBMGByqGSM49",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "start token": "0123abcd0123abcd0123abcd0123abcd",
    "signature": "fe5f80fe5f80",
    "userinfo": "topsecret",
    "named": "hunter2-Zq9",
    "mail": "ada.lovelace@example.com",
    "phone": "+49 30 1234-5678",
}
TEXT = (
    f"{KNOWN} {PLANTED['key']} Bearer {PLANTED['bearer']} Basic {PLANTED['basic']} {JWT} {PLANTED['aws']} "
    f"https://desk.example.com/webhooks/lamina?start={PLANTED['start token']} "
    f"https://files.example.com/a.png?X-Amz-Signature={PLANTED['signature']}&w=1 "
    f"https://desk:{PLANTED['userinfo']}@files.example.com/ password={PLANTED['named']} "
    f"{PLANTED['mail']} {PLANTED['phone']} "
    f"-----BEGIN PRIVATE KEY-----\n{PLANTED['pem']}\n-----END PRIVATE KEY-----"
)
DOCUMENT = {"deep": [{"er": {"API-Key": PLANTED["named"], "note": TEXT, TEXT: 1}}], "cookie": {"a": PLANTED["named"]}}


def test_nothing_secret_is_in_the_note_or_the_bundle_wherever_it_was(keep):
    evidence = keep(
        token=PLANTED["start token"],
        app=TEXT,
        by=PLANTED["mail"],
        inputs=DOCUMENT,
        error=TEXT,
        outputs=[
            {"label": TEXT, "type": TEXT, "status": "error", "error": TEXT},
            {"label": "Facts", "type": "text", "status": "completed", "value": DOCUMENT},
        ],
        more={"debug": DOCUMENT, "webhookUrl": TEXT},
        told=[("checked", TEXT, DOCUMENT | {"reason": TEXT})],
        arrivals=[(TEXT, {"authorization": TEXT, "x-lamina-webhook-signature": PLANTED["signature"]})],
        problems=[{"field": TEXT, "message": TEXT}],
    )
    written = json.dumps(evidence.bundle, ensure_ascii=False)
    for name, secret in PLANTED.items():
        assert secret not in evidence.markdown, name
        assert secret not in written, name
    for section in ("execution", "error", "problems", "outputs", "inputs", "timeline", "deliveries", "last_report"):
        assert "[redacted" in json.dumps(evidence.bundle[section]), section


@pytest.mark.parametrize("hostile", [HOSTILE, "`", "``", "|", "\\", "\\|", "a\n\n# b\n", "\r# b", "~~~\n# b", "", " "])
def test_what_comes_from_outside_stays_text(keep, hostile):
    note = keep(
        app=hostile,
        by=hostile,
        error=hostile,
        inputs={hostile: hostile},
        outputs=[{"label": hostile, "type": hostile, "status": "error", "error": hostile}],
        told=[(hostile, hostile, {hostile: hostile})],
    ).markdown
    outside = without_code(note)
    assert "script" not in outside
    assert "@team" not in outside
    assert "example.com" not in outside
    titles = [line for line in outside.splitlines() if line.startswith("#")]
    assert [title for title in titles if "Not a title" in title or title == "# b"] == []
    for line in outside.splitlines():
        if line.startswith("| "):
            assert line.replace("\\|", "").count("|") in {3, 5, 7}, line


def without_code(note: str) -> str:
    """What Markdown reads as markup: the note without its fenced blocks and its spans of code."""
    kept, fence = [], None
    for line in note.split("\n"):
        ticks = len(line) - len(line.lstrip("`"))
        if fence is None and ticks >= 3 and "`" not in line[ticks:]:
            fence = ticks
        elif fence is not None:
            fence = None if ticks >= fence and not line.strip("` ") else fence
        else:
            kept.append(_without_spans(line))
    assert fence is None
    return "\n".join(kept)


def _without_spans(line: str) -> str:
    kept, place = "", 0
    while place < len(line):
        if line[place] != "`":
            kept, place = kept + line[place], place + 1
            continue
        ticks = len(line) - place - len(line[place:].lstrip("`"))
        end = place + ticks
        while end < len(line):
            if line[end] != "`":
                end += 1
                continue
            run = len(line) - end - len(line[end:].lstrip("`"))
            end += run
            if run == ticks:
                break
        else:
            return kept + line[place:]
        kept, place = kept + "".join("\\|" for _ in range(line[place:end].count("\\|"))), end
    return kept


def test_a_pipe_never_follows_an_even_number_of_backslashes_in_a_cell(keep):
    for hostile in ("a|b", "a\\|b", "a\\\\|b", "\\\\\\|||"):
        rows = [line for line in keep(by=hostile, token=hostile).markdown.splitlines() if "Started by" in line]
        cells = split_cells(rows[0])
        assert len(cells) == 2, rows


def split_cells(row: str) -> list[str]:
    """The cells of a row as GitHub's Markdown splits them: a backslash takes the next sign with it."""
    cells, place = [""], 0
    for_row = row.strip().removeprefix("|").removesuffix("|")
    while place < len(for_row):
        width = 2 if for_row[place] == "\\" and for_row[place + 1 : place + 2] in {"\\", "|", "`"} else 1
        sign = for_row[place : place + width]
        cells = [*cells, ""] if sign == "|" else [*cells[:-1], cells[-1] + sign]
        place += width
    return cells


def test_long_histories_are_cut_to_the_newest_and_say_so(keep):
    evidence = keep(
        told=[("checked", f"Ada {n}", {}) for n in range(TIMELINE_LIMIT + 4)],
        arrivals=[("duplicate", {})] * (DELIVERY_LIMIT + 3),
    )
    assert len(evidence.bundle["timeline"]) == TIMELINE_LIMIT
    assert evidence.bundle["timeline"][-1]["actor"] == f"Ada {TIMELINE_LIMIT + 3}"
    assert len(evidence.bundle["deliveries"]) == DELIVERY_LIMIT
    assert evidence.bundle["deliveries"][-1]["id"] == DELIVERY_LIMIT + 3
    assert "## Timeline\n\n5 more are left out." in evidence.markdown  # four of these, and the start's answer
    assert "## Webhook deliveries\n\n3 more are left out." in evidence.markdown


def test_what_is_huge_makes_a_short_note(keep):
    evidence = keep(error="x" * 500_000, inputs={"Prompt": ["word " * 2_000] * 300})
    assert len(evidence.markdown) < 60_000
    assert len(json.dumps(evidence.bundle)) < 1_000_000


def test_a_quiet_one_says_what_is_missing(keep):
    note = keep(status="completed").markdown
    assert "Its status is completed." in note.splitlines()
    assert "None has come. One was asked for." in note
    assert "## Error" not in note


def test_a_start_of_which_nothing_is_known_yet_has_a_note(engines, writer, clock):
    row = writer.run(lambda connection: executions.insert_intent(connection, intent(), clock.now()))
    found = detail.read_detail(engines, row, clock.now())
    note = write_evidence(found, link=LINK, versions={}, secrets=[], now=clock.now()).markdown
    assert "## Timeline\n\nNothing is recorded.\n" in note
    assert "| Took | – |" in note.splitlines()
