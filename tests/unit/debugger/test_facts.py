"""What the store knows of a webhook: request id, execution, status, the same before; bodies that say nothing."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from lamina_core.debugger.facts import Fact, read_facts
from lamina_core.debugger.records import Specimen
from lamina_core.domain import Verdict
from lamina_core.store import deliveries
from lamina_core.store.deliveries import Arrival
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

AT = datetime(2026, 3, 14, 9, tzinfo=UTC)
SAME_ID = Fact("The request id is the id in the body.", True)
UNKNOWN = Fact("No execution with its id is stored here.")


def body_of(name: str = "exec-1", status: str = "completed", **more: object) -> bytes:
    return json.dumps({"data": {"executionId": name, "status": status, **more}}).encode()


def specimen(body: bytes, request_id: str | None = "exec-1") -> Specimen:
    return Specimen(signature="ab" * 64, timestamp="1773478800", body=body, request_id=request_id)


@pytest.fixture
def keep(writer: Writer) -> Callable[..., int]:
    def keeping(body: bytes, verdict: Verdict = Verdict.ACCEPTED, request_id: str = "exec-1") -> int:
        arrival = Arrival(
            received_at=AT,
            verdict=verdict,
            reason=None,
            answered=200,
            request_id=request_id,
            key_id="k",
            headers={},
            body=body,
            content_hash=hashlib.sha256(body).hexdigest(),
            start_token=None,
        )
        return writer.run(lambda connection: deliveries.insert(connection, arrival))

    return keeping


def test_a_webhook_of_nobody_here(engines):
    assert read_facts(engines, specimen(body_of())) == (SAME_ID, UNKNOWN)


def test_the_request_id_is_held_against_the_body_s(engines):
    other = read_facts(engines, specimen(body_of(), "exec-2"))
    assert other == (Fact("The request id is not the id in the body: the receiver refuses that.", False), UNKNOWN)
    none = read_facts(engines, specimen(body_of(), None))
    assert none == (Fact("No X-Lamina-Webhook-Request-Id came with it."), UNKNOWN)


def test_an_id_is_compared_as_it_is_stored(engines):
    assert read_facts(engines, specimen(body_of("a\x00b"), "a\x00b"))[0] == SAME_ID


def test_the_name_of_newer_generations_is_an_id_too(engines):
    body = b'{"data":{"runId":"exec-1","status":"completed"}}'
    assert read_facts(engines, specimen(body))[0] == SAME_ID


def test_its_execution_is_named_with_its_app_and_whether_both_agree(engines, end):
    row = end()
    name = f"exec-{row}"
    stored = Fact(f"Its execution is stored here as number {row}, Portrait Studio.", True, execution=row)
    agree = read_facts(engines, specimen(body_of(name), name))
    assert agree == (SAME_ID, stored, Fact("Both say that it is completed.", True))
    differ = read_facts(engines, specimen(body_of(name, "failed"), name))
    assert differ[1:] == (stored, Fact("Here it is completed, the webhook says failed.", False))


def test_a_status_of_lamina_s_that_nobody_knows_is_told_as_it_reads(engines, end):
    name = f"exec-{end('broken')}"
    facts = read_facts(engines, specimen(body_of(name, "Pending review"), name))
    assert facts[-1] == Fact("Here it is failed, the webhook says Pending review.", False)


def test_the_same_content_before_is_told_by_the_first_that_was_verified(engines, keep):
    body = body_of()
    keep(body, Verdict.REJECTED)
    keep(body_of(status="failed"))
    first, _, last = keep(body), keep(body), keep(body)
    told = Fact(f"The same content came before, as delivery {first}.", delivery=first)
    assert read_facts(engines, specimen(body))[-1] == told
    assert read_facts(engines, specimen(body), itself=last)[-1] == told


def test_a_delivery_is_not_before_itself(engines, keep):
    body = body_of()
    first = keep(body)
    keep(body)
    assert read_facts(engines, specimen(body), itself=first)[1:] == (SAME_ID, UNKNOWN)


def test_one_byte_more_is_other_content(engines, keep):
    keep(body_of())
    assert read_facts(engines, specimen(body_of() + b"\n")) == (SAME_ID, UNKNOWN)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty"),
        (b'{"data":', "it is not JSON at character 8"),
        (b"planted", "it is not JSON at character 0"),
        (b'{"a":"\xff"}', "it is not UTF-8 at byte 6"),
        (b"[1]", "the JSON has no object called data"),
        (b'{"data":[]}', "the JSON has no object called data"),
        (b'{"data":{"status":"completed"}}', "executionId: Field required"),
        (b'{"data":{"executionId":"planted"}}', "status: Field required"),
        (b'{"data":{"a":NaN}}', "NaN is not JSON"),
        (b'{"data":{"a":1e999}}', "a number in the JSON is too large"),
        (b'{"data":' + b"7" * 5_000 + b"}", "a number in it has too many digits"),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b'{"data":' * 200 + b"1" + b"}" * 200, "the JSON is nested too deeply"),
    ],
)
def test_a_body_that_is_no_report_is_told_without_what_stands_in_it(engines, body, why):
    assert read_facts(engines, specimen(body)) == (
        Fact(f"The body cannot be read as a report on an execution: {why}.", False),
    )


@contextmanager
def watched(engines: Engines) -> Iterator[list[str]]:
    seen: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    sa.event.listen(engines.read, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        sa.event.remove(engines.read, "before_cursor_execute", listen)


def test_a_body_of_megabytes_costs_as_few_looks_at_the_store_as_a_small_one(engines):
    for body in (body_of(), body_of(outputs=[{"value": "x" * 1_000} for _ in range(3_000)])):
        with watched(engines) as seen:
            assert read_facts(engines, specimen(body)) == (SAME_ID, UNKNOWN)
        assert len([statement for statement in seen if statement.startswith("SELECT")]) == 2


def test_a_stored_delivery_says_what_was_decided_when_it_came(engines, writer):
    arrival = Arrival(
        received_at=AT,
        verdict=Verdict.REJECTED,
        reason="stale_timestamp",
        answered=401,
        request_id=None,
        key_id=None,
        headers={},
        body=b"no JSON",
        content_hash="",
        start_token=None,
    )
    row_id = writer.run(lambda connection: deliveries.insert(connection, arrival))

    decided, *rest = read_facts(engines, Specimen(body=b"no JSON"), row_id)

    assert decided.text == "The receiver here decided: rejected (Signed more than 5 minutes before it came)."
    assert len(rest) == 1
