"""What the store knows about a webhook under examination: whose it is, whether it fits, whether it came before."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from lamina_core import signing
from lamina_core.api import wire
from lamina_core.debugger.records import Specimen
from lamina_core.domain import Execution, Report
from lamina_core.insights import wording
from lamina_core.insights.reasons import explain
from lamina_core.store import deliveries, delivery_search, executions
from lamina_core.store.engine import Engines


@dataclass(frozen=True)
class Fact:
    """One thing that is known; `fits` is None where nothing speaks for or against the webhook.

    `execution` and `delivery` are our rows that it is about.
    """

    text: str
    fits: bool | None = None
    execution: int | None = None
    delivery: int | None = None


def read_facts(engines: Engines, specimen: Specimen, itself: int | None = None) -> tuple[Fact, ...]:
    """Return what is known of the payload; `itself` is the stored delivery that the specimen is.

    A fact proves nothing about the signature: a forger knows ids too.
    """
    try:
        report = wire.report_from(wire.data_of(wire.parse_json(specimen.body)))
    except ValueError as error:
        report, unreadable = None, f"The body cannot be read as a report on an execution: {_explain(error)}."
    with engines.reading() as connection:
        decided = list(_of_receipt(connection, itself)) if itself is not None else []
        if report is None:
            return (*decided, Fact(unreadable, False))
        return (*decided, *_of_request_id(specimen, report), *_of_store(connection, specimen, report, itself))


def _of_receipt(connection: sa.Connection, itself: int) -> Iterator[Fact]:
    received = delivery_search.find_by_ids(connection, [itself]).get(itself)
    if received is not None:
        reason = explain(received.reason, received.duplicate_of)
        yield Fact(f"The receiver here decided: {received.verdict}{f' ({reason})' if reason else ''}.")


def _explain(error: ValueError) -> str:
    """Return why a body cannot be read, in people's words and without what stands in it."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start:,}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON at character {error.pos:,}" if error.doc else "it is empty"
    return "a number in it has too many digits" if "integer string conversion" in str(error) else str(error)


def _of_request_id(specimen: Specimen, report: Report) -> Iterator[Fact]:
    if specimen.request_id is None:
        yield Fact(f"No {signing.REQUEST_ID_HEADER} came with it.")
    elif wire.clean_text(specimen.request_id) == report.execution_id:
        yield Fact("The request id is the id in the body.", True)
    else:
        yield Fact("The request id is not the id in the body: the receiver refuses that.", False)


def _of_store(connection: sa.Connection, specimen: Specimen, report: Report, itself: int | None) -> Iterator[Fact]:
    known = executions.known_by_execution_id(connection, [report.execution_id]).get(report.execution_id)
    execution = executions.find(connection, known.id) if known else None
    if execution is None:
        yield Fact("No execution with its id is stored here.")
    else:
        yield Fact(
            f"Its execution is stored here as number {execution.id:,}, {execution.app_name}.", True, execution.id
        )
        yield _of_status(execution, report)
    content = (report.execution_id, hashlib.sha256(specimen.body).hexdigest())
    same = deliveries.find_same(connection, [content], before=itself).get(content)
    if same is not None:
        yield Fact(f"The same content came before, as delivery {same[0]:,}.", delivery=same[0])


def _of_status(execution: Execution, report: Report) -> Fact:
    here, there = wording.STATUS_WORDS[execution.status], report.raw_status
    if execution.status is report.status:
        return Fact(f"Both say that it is {here}.", True)
    return Fact(f"Here it is {here}, the webhook says {there}.", False)
