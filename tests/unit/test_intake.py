"""One function writes what Lamina says; whatever the order it comes in, the row ends the same."""

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from lamina_core import intake, registration
from lamina_core.api import wire
from lamina_core.domain import Absence, Generation, Kind, Origin, Registration, Source, Status, Update, Verdict
from lamina_core.errors import FieldProblem
from lamina_core.intake import Effect
from lamina_core.store import deliveries, events, executions, polls
from lamina_core.store.deliveries import Arrival
from lamina_core.store.executions import Intent

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
TOKEN = "0123456789abcdef"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def stamp(seconds: float) -> str:
    return at(seconds).isoformat().replace("+00:00", "Z")


def report_data(status: str, *, completed: float | None = None, url: str = "https://media.example.com/1.png", **more):
    done = status == "completed"
    output = {"id": "n-1", "label": "Picture", "type": "image" if done else "pending", "value": url if done else None}
    output |= {"status": "completed" if done else "pending", "error": None}
    return {
        "executionId": "e-1",
        "workflowId": "app-1",
        "status": status,
        "outputs": [output],
        "errorMessage": "Provider timed out" if status == "failed" else None,
        "createdAt": stamp(0),
        "startedAt": None if status == "queued" else stamp(1),
        "completedAt": None if completed is None else stamp(completed),
    } | more


def started(writer, *, token=TOKEN, webhook_expected=True) -> int:
    intent = Intent(
        token=token,
        app_id="app-1",
        app_name="Portrait Studio",
        kind=Kind.IMAGE,
        generation=Generation.EXECUTIONS,
        inputs={"Prompt": "a fox"},
        chosen_outputs=(),
        origin=Origin.FORM,
        replay_of=None,
        started_by="Ada",
        webhook_expected=webhook_expected,
    )
    return writer.run(lambda connection: executions.insert_intent(connection, intent, T0))


def registered(writer, told: datetime | None = None, reference: str | None = None) -> int:
    """Take in the execution of a backend, a minute after it began by Lamina's clock."""
    given = [Registration("e-1", "app-1", Origin.REGISTERED, started_at=told, reference=reference)]
    answers = writer.run(
        lambda connection: registration.register(connection, given, "backend", Generation.EXECUTIONS, at(60))
    )
    return answers[0].execution


def apply(writer, update: Update, now: datetime = T0) -> intake.Outcome:
    return writer.run(lambda connection: intake.apply_update(connection, update, now))


def answered(row: int, data=None, as_of=T0) -> Update:
    return Update(Source.START, as_of, row, report=wire.report_from(data or report_data("queued")))


def polled(row: int, data, as_of: datetime) -> Update:
    return Update(Source.POLL, as_of, row, report=wire.report_from(data))


def arrival(data, *, token=None, received=30.0, verdict=Verdict.ACCEPTED) -> Arrival:
    content = json.dumps({"data": data}).encode()
    return Arrival(
        received_at=at(received),
        verdict=verdict,
        reason=None,
        answered=200,
        request_id=data["executionId"],
        key_id="k",
        headers={},
        body=content,
        content_hash=hashlib.sha256(content).hexdigest(),
        start_token=token,
        report=wire.report_from(data) if verdict is Verdict.ACCEPTED else None,
    )


def deliver(writer, data, **more) -> int:
    came = arrival(data, **more)
    return writer.run(lambda connection: intake.take_deliveries(connection, [came], came.received_at)[0])


def row_of(engines, row: int):
    with engines.reading() as connection:
        return executions.find(connection, row)


def delivery_of(engines, row: int, place: int = 0):
    with engines.reading() as connection:
        return deliveries.of_execution(connection, row)[place]


def test_a_start_answer_names_the_execution_and_plans_the_first_read(engines, writer):
    row = started(writer)
    assert apply(writer, answered(row)) == intake.Outcome(Effect.CHANGED, row)
    found = row_of(engines, row)
    assert (found.status, found.execution_id, found.next_poll_at) == (Status.QUEUED, "e-1", at(5))


def test_the_timeline_tells_each_change_once(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    for second in (4, 8):
        apply(writer, polled(row, report_data("running"), at(second)), at(second))
    with engines.reading() as connection:
        timeline = events.of_execution(connection, row)
    assert [(event.detail["from"], event.detail["to"], event.actor) for event in timeline] == [
        ("queued", "running", "poll"),
        ("starting", "queued", "start"),
    ]


def test_an_end_stops_the_polls_and_keeps_outputs_and_raw_report(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("completed", completed=9, extra="kept"), at(10)), at(10))
    found = row_of(engines, row)
    assert (found.status, found.next_poll_at, found.completed_at) == (Status.COMPLETED, None, at(9))
    with engines.reading() as connection:
        payload = executions.find_payload(connection, row)
    assert payload.outputs[0]["value"] == "https://media.example.com/1.png"
    assert payload.last_report["extra"] == "kept"


def test_a_report_without_outputs_keeps_those_that_are_known(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("running", outputs=None), at(4)), at(4))
    assert row_of(engines, row).status is Status.RUNNING
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["status"] == "pending"


def test_an_open_report_after_the_end_changes_nothing(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("completed", completed=9), at(10)), at(10))
    outcome = apply(writer, polled(row, report_data("running"), at(20)), at(20))
    assert outcome.effect is Effect.STALE
    assert row_of(engines, row).status is Status.COMPLETED


def test_a_read_that_began_earlier_does_not_take_a_status_back(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("running"), at(8)), at(9))
    assert apply(writer, polled(row, report_data("queued"), at(4)), at(10)).effect is Effect.STALE
    assert row_of(engines, row).status is Status.RUNNING


def test_an_unknown_status_is_kept_in_lamina_s_word_and_polled_on(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("moderating"), at(4)), at(4))
    found = row_of(engines, row)
    assert (found.status, found.raw_status) == (Status.UNKNOWN, "moderating")
    assert found.next_poll_at > at(4)


def test_the_reason_falls_back_to_the_first_output_in_error(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    outputs = [
        {"label": "A", "status": "completed", "error": None},
        {"label": "B", "status": "error", "error": " no face found ", "type": "pending"},
    ]
    apply(writer, polled(row, report_data("completed", completed=9, outputs=outputs), at(10)), at(10))
    assert row_of(engines, row).error_message == "no face found"


@pytest.mark.parametrize(
    ("types", "kind"),
    [(["image"], Kind.IMAGE), (["image", "text"], Kind.MULTI_STEP), (["image", "video"], Kind.VIDEO)],
)
def test_the_kind_is_learned_from_what_was_made_for_the_next_start(engines, writer, types, kind):
    row = started(writer)
    outputs = [{"label": f"O{place}", "type": made, "status": "completed"} for place, made in enumerate(types)]
    apply(writer, answered(row, report_data("queued", outputs=[{"type": "pending"} for _ in types])))
    assert row_of(engines, row).kind is (Kind.IMAGE if len(types) == 1 else Kind.MULTI_STEP)
    deliver(writer, report_data("completed", completed=9, outputs=outputs))
    with engines.reading() as connection:
        assert polls.shown_kind(connection, "app-1") is kind
        assert polls.shown_kind(connection, "another") is None


def test_a_verified_delivery_ends_the_execution(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("completed", completed=9))
    assert row_of(engines, row).status is Status.COMPLETED
    assert delivery_of(engines, row).reason is None


def test_the_same_bytes_again_are_a_duplicate_and_change_nothing(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    first = deliver(writer, report_data("completed", completed=9))
    before = row_of(engines, row)
    deliver(writer, report_data("completed", completed=9), received=60)
    again = delivery_of(engines, row)
    assert (again.reason, again.duplicate_of) == ("duplicate", first)
    assert row_of(engines, row) == before


def test_a_delivery_for_an_unknown_execution_waits_until_it_is_ours(engines, writer):
    deliver(writer, report_data("completed", completed=9), received=2)
    row = started(writer)
    apply(writer, answered(row))
    assert row_of(engines, row).status is Status.COMPLETED
    assert delivery_of(engines, row).execution == row


def test_a_delivery_before_the_start_answer_settles_the_start_by_its_token(engines, writer):
    row = started(writer)
    deliver(writer, report_data("completed", completed=9), token=TOKEN)
    assert row_of(engines, row).execution_id == "e-1"
    assert apply(writer, answered(row)).effect is Effect.STALE
    assert row_of(engines, row).status is Status.COMPLETED


def test_an_open_delivery_with_the_token_names_the_execution_and_polling_goes_on(engines, writer):
    row = started(writer)
    apply(writer, Update(Source.START, T0, row, absence=Absence.START_LOST, reason="no answer"))
    deliver(writer, report_data("running"), token=TOKEN)
    found = row_of(engines, row)
    assert (found.status, found.next_poll_at is not None) == (Status.RUNNING, True)


@pytest.mark.parametrize(
    ("token", "app_id"), [("another", "app-1"), (TOKEN, "app-2")], ids=["wrong token", "another app"]
)
def test_what_does_not_belong_to_a_start_does_not_settle_it(engines, writer, token, app_id):
    row = started(writer)
    deliver(writer, report_data("completed", completed=9, workflowId=app_id), token=token)
    assert row_of(engines, row).status is Status.STARTING


def test_a_token_never_moves_a_confirmed_execution(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("failed", completed=9, executionId="e-2"), token=TOKEN)
    found = row_of(engines, row)
    assert (found.execution_id, found.status) == ("e-1", Status.QUEUED)


def test_a_second_id_for_a_settled_start_is_not_taken(engines, writer):
    row = started(writer)
    deliver(writer, report_data("running"), token=TOKEN)
    outcome = apply(writer, answered(row, report_data("queued", executionId="e-2")))
    assert outcome.effect is Effect.STALE
    assert row_of(engines, row).execution_id == "e-1"


def test_feedback_refines_a_completed_execution_and_its_old_end_does_not_come_back(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    old = report_data("completed", completed=9)
    new = report_data("completed", completed=50, url="https://media.example.com/2.png")
    deliver(writer, new, received=60)
    deliver(writer, old, received=61)
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["value"].endswith("2.png")
    assert delivery_of(engines, row).reason == "stale"


def test_ends_that_contradict_each_other_are_settled_by_a_confirming_read(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    truth = report_data("completed", completed=9, url="https://media.example.com/true.png")
    deliver(writer, report_data("completed", completed=9), received=20)
    deliver(writer, truth, received=30)
    found = row_of(engines, row)
    assert found.next_poll_at == at(30)
    assert delivery_of(engines, row).reason == "disputed"
    apply(writer, polled(row, truth, at(31)), at(32))
    found = row_of(engines, row)
    assert found.next_poll_at is None
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["value"].endswith("true.png")


def test_a_read_that_began_before_the_dispute_does_not_settle_it(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("completed", completed=9), received=20)
    deliver(writer, report_data("failed", completed=9), received=30)
    apply(writer, polled(row, report_data("completed", completed=9), at(25)), at(33))
    assert row_of(engines, row).next_poll_at == at(30)
    apply(writer, polled(row, report_data("failed", completed=9), at(34)), at(35))
    found = row_of(engines, row)
    assert (found.status, found.next_poll_at) == (Status.FAILED, None)


def test_of_two_contradicting_reads_the_one_that_began_last_is_the_truth(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("failed", completed=9), at(12)), at(13))
    apply(writer, polled(row, report_data("completed", completed=9), at(10)), at(14))
    assert row_of(engines, row).status is Status.FAILED
    apply(writer, polled(row, report_data("completed", completed=9), at(20)), at(21))
    assert row_of(engines, row).status is Status.COMPLETED


@pytest.mark.parametrize("read_comes_first", [True, False])
def test_a_read_that_began_before_a_contradicting_delivery_came_decides_nothing(engines, writer, read_comes_first):
    row = started(writer)
    apply(writer, answered(row))
    refined = report_data("completed", completed=9, url="https://media.example.com/refined.png")
    news = [
        lambda: apply(writer, polled(row, report_data("completed", completed=9), at(10)), at(12)),
        lambda: deliver(writer, refined, received=11),
    ]
    for tell in news if read_comes_first else reversed(news):
        tell()
    assert row_of(engines, row).next_poll_at is not None
    apply(writer, polled(row, refined, at(20)), at(21))
    assert row_of(engines, row).next_poll_at is None
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["value"].endswith("refined.png")


@pytest.mark.parametrize("named_first", [True, False])
def test_the_time_of_the_end_is_kept_whoever_names_it(engines, writer, named_first):
    row = started(writer)
    apply(writer, answered(row))
    ends = [9, None] if named_first else [None, 9]
    deliver(writer, report_data("completed", completed=ends[0]), received=20)
    apply(writer, polled(row, report_data("completed", completed=ends[1]), at(30)), at(31))
    assert row_of(engines, row).completed_at == at(9)


@pytest.mark.parametrize("told", [None, at(-30)], ids=["nobody told", "its backend told"])
@pytest.mark.parametrize("first", ["read", "delivery"])
def test_what_others_started_began_when_lamina_says(engines, writer, told, first):
    row = registered(writer, told)
    assert row_of(engines, row).created_at == (told or at(60))
    silent = {name: value for name, value in report_data("running").items() if name != "createdAt"}
    apply(writer, polled(row, silent, at(61)), at(61))
    assert row_of(engines, row).created_at == (told or at(60)), "it did not say"
    if first == "read":
        apply(writer, polled(row, report_data("running"), at(62)), at(62))
    else:
        deliver(writer, report_data("completed", completed=9), received=62)
    assert row_of(engines, row).created_at == at(0)
    apply(writer, polled(row, silent, at(63)), at(63))
    assert row_of(engines, row).created_at == at(0)


def test_what_began_a_day_ago_by_lamina_s_clock_is_late_from_the_first_read_on(engines, writer):
    row = registered(writer)
    apply(writer, polled(row, report_data("running", createdAt=stamp(-90_000)), at(61)), at(61))
    assert row_of(engines, row).next_poll_at == at(61 + 3_600)


def test_what_was_started_here_began_when_it_was_asked_for(engines, writer):
    row = started(writer)
    apply(writer, answered(row, report_data("queued", createdAt=stamp(-5))))
    assert row_of(engines, row).created_at == T0


@pytest.mark.parametrize("end", ["before", "after"])
def test_when_lamina_began_to_work_on_it_is_kept_whoever_tells_it_and_however_late(engines, writer, end):
    row = started(writer)
    apply(writer, answered(row))
    apply(writer, polled(row, report_data("running", startedAt=None), at(4)), at(4))
    assert row_of(engines, row).started_at is None
    if end == "before":
        deliver(writer, report_data("completed", completed=9, startedAt=None), received=10)
    status = {"before": "completed", "after": "running"}[end]
    told = report_data(status, completed=9 if end == "before" else None)
    assert apply(writer, polled(row, told, at(20)), at(20)).effect is Effect.SAME
    assert row_of(engines, row).started_at == at(1)


@pytest.mark.parametrize(
    ("known", "status"),
    [("nothing", Status.QUEUED), ("its end, by a webhook", Status.COMPLETED), ("a read", Status.RUNNING)],
)
def test_a_stranger_s_row_becomes_one_with_the_start_that_it_is(engines, writer, known, status):
    stranger = registered(writer, reference="ORDER-1")
    if known == "a read":
        apply(writer, polled(stranger, report_data("running"), at(61)), at(61))
    elif known != "nothing":
        deliver(writer, report_data("completed", completed=9), received=61)
    row = started(writer)
    apply(writer, answered(row), at(62))
    found = row_of(engines, row)
    assert (found.execution_id, found.status, found.reference) == ("e-1", status, "ORDER-1")
    assert found.created_at == T0
    assert row_of(engines, stranger) is None


def test_a_start_answered_with_another_execution_s_id_stays_unconfirmed(engines, writer):
    first = started(writer)
    apply(writer, answered(first))
    second = started(writer, token="another")
    apply(writer, answered(second))
    found = row_of(engines, second)
    assert (found.status, found.execution_id) == (Status.START_UNCONFIRMED, None)
    assert "another execution" in found.error_message


def listed(row: int, status: str, as_of: datetime) -> Update:
    """A row of Lamina's list: it tells no outputs."""
    data = report_data(status, completed=9)
    del data["outputs"]
    return polled(row, data, as_of)


def test_a_list_tells_the_end_and_a_whole_read_what_was_made_however_often_the_list_says_it(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    assert apply(writer, listed(row, "completed", at(10)), at(10)).effect is Effect.CHANGED
    assert row_of(engines, row).next_poll_at == at(10), "at once"
    for later in (11, 12):
        assert apply(writer, listed(row, "completed", at(later)), at(later)).effect is Effect.SAME
        assert row_of(engines, row).next_poll_at == at(10)
    apply(writer, polled(row, report_data("running"), at(13)), at(13))
    assert row_of(engines, row).next_poll_at == at(16), "Lamina is not of one mind yet"
    apply(writer, polled(row, report_data("completed", completed=9), at(17)), at(17))
    found = row_of(engines, row)
    assert (found.status, found.completed_at, found.next_poll_at) == (Status.COMPLETED, at(9), None)
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["value"] == "https://media.example.com/1.png"


def test_a_list_never_takes_back_what_was_made(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("completed", completed=9), received=10)
    apply(writer, listed(row, "completed", at(20)), at(20))
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).outputs[0]["value"] == "https://media.example.com/1.png"
    assert row_of(engines, row).next_poll_at is None


def test_three_times_not_found_is_gone_and_two_are_not(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    missing = Update(Source.POLL, T0, row, absence=Absence.NOT_FOUND)
    for _ in range(2):
        assert apply(writer, missing).effect is Effect.SAME
    assert row_of(engines, row).next_poll_at is not None
    assert apply(writer, missing).effect is Effect.CHANGED
    found = row_of(engines, row)
    assert (found.status, found.next_poll_at) == (Status.GONE, None)


def test_a_good_read_starts_the_count_of_missing_ones_anew(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    missing = Update(Source.POLL, T0, row, absence=Absence.NOT_FOUND)
    apply(writer, missing)
    apply(writer, missing)
    apply(writer, polled(row, report_data("running"), at(4)), at(4))
    apply(writer, missing)
    assert row_of(engines, row).status is Status.RUNNING


def test_an_end_stays_although_lamina_has_forgotten_the_execution(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("completed", completed=9))
    assert apply(writer, Update(Source.POLL, at(40), row, absence=Absence.NOT_FOUND)).effect is Effect.STALE
    assert row_of(engines, row).status is Status.COMPLETED


def test_a_refused_start_keeps_the_reasons_at_their_fields(engines, writer):
    row = started(writer)
    problem = FieldProblem("Prompt", "missing_no_default", "needs a value")
    update = Update(Source.START, T0, row, absence=Absence.START_REFUSED, reason="Invalid inputs", problems=(problem,))
    apply(writer, update)
    assert row_of(engines, row).status is Status.START_FAILED
    with engines.reading() as connection:
        assert executions.find_payload(connection, row).problems[0]["field"] == "Prompt"


def test_a_lost_answer_does_not_unsettle_a_start_that_a_webhook_has_settled(engines, writer):
    row = started(writer)
    deliver(writer, report_data("completed", completed=9), token=TOKEN)
    outcome = apply(writer, Update(Source.START, T0, row, absence=Absence.START_LOST, reason="no answer"))
    assert outcome.effect is Effect.STALE
    assert row_of(engines, row).status is Status.COMPLETED


def test_a_rejected_delivery_changes_nothing(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    deliver(writer, report_data("completed", completed=9), verdict=Verdict.REJECTED)
    assert row_of(engines, row).status is Status.QUEUED


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REJECTED])
def test_a_delivery_that_could_not_be_checked_is_settled_later(engines, writer, verdict):
    row = started(writer)
    apply(writer, answered(row))
    kept = deliver(writer, report_data("completed", completed=9), verdict=Verdict.UNCHECKED)
    writer.run(
        lambda connection: intake.settle_delivery(
            connection, kept, verdict=verdict, reason=None, key_id="k", now=at(90)
        )
    )
    ended = row_of(engines, row).status is Status.COMPLETED
    assert ended == (verdict is Verdict.ACCEPTED)


def test_of_the_same_bytes_that_could_not_be_checked_the_later_ones_are_duplicates(engines, writer):
    row = started(writer)
    apply(writer, answered(row))
    data = report_data("completed", completed=9)
    kept = [deliver(writer, data, received=second, verdict=Verdict.UNCHECKED) for second in (20, 50)]
    for each in kept:
        writer.run(
            lambda connection, each=each: intake.settle_delivery(
                connection, each, verdict=Verdict.ACCEPTED, reason=None, key_id="k", now=at(90)
            )
        )
    with engines.reading() as connection:
        found = {each.id: each for each in deliveries.of_execution(connection, row)}
    first, second = (found[each] for each in kept)
    assert (first.reason, first.duplicate_of) == (None, None)
    assert (second.reason, second.duplicate_of) == ("duplicate", kept[0])


def test_an_update_for_a_row_that_does_not_exist_says_so(writer):
    assert apply(writer, answered(999)).effect is Effect.UNKNOWN_EXECUTION
    lost = Update(Source.DELIVERY, T0, absence=Absence.NOT_FOUND)
    assert apply(writer, lost).effect is Effect.UNKNOWN_EXECUTION


def test_every_order_of_the_same_news_ends_in_the_same_row(engines, writer):
    truth = report_data("completed", completed=50, url="https://media.example.com/2.png")
    news = {
        "answer": lambda row: apply(writer, answered(row)),
        "running": lambda row: apply(writer, polled(row, report_data("running"), at(4)), at(5)),
        "old end": lambda row: deliver(writer, report_data("completed", completed=9), token=TOKEN, received=10),
        "new end": lambda row: deliver(writer, truth, token=TOKEN, received=51),
        "read": lambda row: apply(writer, polled(row, truth, at(52)), at(53)),
    }
    endings = set()
    for order in itertools.permutations(news):
        row = started(writer)
        for name in order:
            news[name](row)
        found = row_of(engines, row)
        with engines.reading() as connection:
            value = executions.find_payload(connection, row).outputs[0]["value"]
        endings.add((found.status, found.execution_id, found.completed_at, value, found.next_poll_at))
        writer.run(_forget)
    assert endings == {(Status.COMPLETED, "e-1", at(50), "https://media.example.com/2.png", None)}


def _forget(connection) -> None:
    for table in ("event", "delivery", "execution_payload", "execution"):
        connection.exec_driver_sql(f"DELETE FROM {table}")
