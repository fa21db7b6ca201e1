"""The tables. Lists read the narrow `execution` row and never touch JSON; what is wide lies beside it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from lamina_core.store.columns import (
    UtcDateTime,
    document_column,
    id_column,
    instant_column,
    name_column,
    partial_index,
    reference_column,
)


class ExecutionTable(SQLModel, table=True):
    """One execution: all that lists, counts and the poller need."""

    __tablename__ = "execution"

    id: int = id_column()
    execution_id: str | None = name_column(unique=True)
    app_id: str
    app_name: str
    status: str
    raw_status: str | None
    kind: str
    generation: str
    error_message: str | None
    created_at: datetime = instant_column()
    started_at: datetime | None = instant_column(nullable=True)
    completed_at: datetime | None = instant_column(nullable=True)
    duration: int | None  # milliseconds from `created_at` to `completed_at`
    updated_at: datetime = instant_column()
    reported_as_of: datetime | None = instant_column(nullable=True)  # begin of the read that the status comes from
    delivered_at: datetime | None = instant_column(nullable=True)  # receipt of the delivery that says what is known
    confirm_from: datetime | None = instant_column(nullable=True)  # a read that begins later settles a disagreement
    missing_count: int = Field(sa_column_kwargs={"server_default": "0"})
    next_poll_at: datetime | None = instant_column(nullable=True)
    last_poll_at: datetime | None = instant_column(nullable=True)
    poll_count: int = Field(sa_column_kwargs={"server_default": "0"})
    poll_error: str | None
    origin: str
    replay_of: int | None = reference_column("execution.id")
    started_by: str
    webhook_expected: bool
    reference: str | None  # the customer's own number of an order or a ticket

    # Eight with the unique one. What follows `id` in them is there to be looked at without the row.
    __table_args__ = (
        sa.Index("execution_newest", "created_at", "id", "origin", "started_by", "app_id"),
        sa.Index("execution_status", "status", "created_at", "id", "origin", "started_by"),
        sa.Index("execution_app_status", "app_id", "status", "created_at", "id", "origin", "started_by"),
        sa.Index("execution_starter", "started_by", "created_at", "id", "origin", "app_id", "status"),
        partial_index("execution_duration", "app_id", "status", "duration", "created_at", "id", where="duration"),
        partial_index("execution_due", "next_poll_at"),
        partial_index("execution_replays", "replay_of"),
    )


class PayloadTable(SQLModel, table=True):
    """What is wide of an execution, and the token of its start."""

    __tablename__ = "execution_payload"

    execution: int = reference_column("execution.id", primary_key=True)
    start_token: str | None = Field(default=None, unique=True)
    inputs: dict[str, Any] | None = document_column(nullable=True)  # null: started by others, and not known here
    chosen_outputs: list[str] | None = document_column(nullable=True)
    outputs: list[dict[str, Any]] | None = document_column(nullable=True)
    last_report: dict[str, Any] | None = document_column(nullable=True)
    problems: list[dict[str, Any]] | None = document_column(nullable=True)  # why Lamina refused the start


class TextTable(SQLModel, table=True):
    """What executions are found by as text; the database keeps it in step with them.

    An index over the words of inputs, and on SQLite one over errors, lie beside it: see migration 0005.
    """

    __tablename__ = "execution_text"

    execution: int = reference_column("execution.id", primary_key=True)
    reference: str | None = name_column()
    error: str | None

    __table_args__ = (partial_index("execution_text_reference", "reference"),)


class TallyTable(SQLModel, table=True):
    """How many executions there are of each app, status, origin and starter, without what is in `tally_change`."""

    __tablename__ = "tally"

    app_id: str = Field(primary_key=True)
    status: str = Field(primary_key=True)
    origin: str = Field(primary_key=True)
    started_by: str = Field(primary_key=True)
    number: int

    __table_args__ = (
        sa.Index("tally_source", "origin", "started_by", "app_id", "status", "number"),
        {"sqlite_with_rowid": False},
    )


class TallyChangeTable(SQLModel, table=True):
    """What is not in the tally yet: rows of their own, for two processes that add to one would wait for each other."""

    __tablename__ = "tally_change"

    id: int = id_column()
    app_id: str
    status: str
    origin: str
    started_by: str
    number: int


class DeliveryTable(SQLModel, table=True):
    """One webhook POST, raw bytes included, whatever became of it."""

    __tablename__ = "delivery"

    id: int = id_column()
    received_at: datetime = instant_column()
    verdict: str
    reason: str | None
    answered: int
    request_id: str | None = Field(index=True)
    key_id: str | None
    headers: dict[str, str] = document_column()
    body: bytes
    body_size: int
    content_hash: str
    start_token: str | None
    execution: int | None = reference_column("execution.id")
    duplicate_of: int | None = reference_column("delivery.id")

    __table_args__ = (
        sa.Index("delivery_newest", "received_at", "id"),
        sa.Index("delivery_verdict", "verdict", "id"),
        sa.Index("delivery_execution", "execution", "id"),
        partial_index("delivery_copies", "duplicate_of"),
        sa.Index(
            "delivery_unclaimed",
            "id",
            sqlite_where=sa.text("reason = 'unknown_execution'"),
            postgresql_where=sa.text("reason = 'unknown_execution'"),
        ),
    )


class EventTable(SQLModel, table=True):
    """The timeline of executions, and the audit trail of operators."""

    __tablename__ = "event"

    id: int = id_column()
    execution: int | None = reference_column("execution.id")
    at: datetime = instant_column()
    kind: str
    actor: str
    detail: dict[str, Any] = document_column()

    __table_args__ = (sa.Index("event_execution", "execution", "id"),)


class AppTable(SQLModel, table=True):
    """The cached catalogue of apps; `position` keeps Lamina's order."""

    __tablename__ = "app"

    app_id: str = Field(primary_key=True)
    position: int | None
    document: dict[str, Any] = document_column()
    fetched_at: datetime = instant_column()


class AppKindTable(SQLModel, table=True):
    """The kind that an operator has set for an app, in place of what its executions show."""

    __tablename__ = "app_kind"

    app_id: str = Field(primary_key=True)
    kind: str


class LeaseTable(SQLModel, table=True):
    """Who may do a task that only one process may do at a time."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: str
    heartbeat_at: datetime = instant_column()
    expires_at: datetime = instant_column()


class NoteTable(SQLModel, table=True):
    """Small facts that processes leave for each other, one document a name."""

    __tablename__ = "note"

    name: str = Field(primary_key=True)
    document: dict[str, Any] = document_column()
    updated_at: datetime = instant_column()


class FailureTable(SQLModel, table=True):
    """What support does about one failed execution; few fail, and lists need none of it."""

    __tablename__ = "failure"

    execution: int = reference_column("execution.id", primary_key=True)
    fingerprint: str
    failed_at: datetime = instant_column()
    triage: str
    triage_by: str | None  # an operator
    triage_at: datetime | None = instant_column(nullable=True)
    resolved_by: int | None = reference_column("execution.id")  # the replay that succeeded
    assignee: str | None
    ticket: str | None
    # The execution's own, which the database keeps in step with it, so that lists by triage need no look at it.
    app_id: str | None
    status: str | None
    created_at: datetime | None = instant_column(nullable=True)

    __table_args__ = (
        sa.Index("failure_group_members", "fingerprint", "triage", "failed_at", "execution"),
        sa.Index("failure_triage", "triage", "failed_at", "execution"),
        sa.Index("failure_newest", "triage", "created_at", "execution", "app_id", "status"),
        partial_index("failure_resolved_by", "resolved_by"),
    )


class FailureGroupTable(SQLModel, table=True):
    """The failures of one fingerprint, counted as they are written."""

    __tablename__ = "failure_group"

    fingerprint: str = Field(primary_key=True)
    app_id: str
    app_name: str
    error_class: str
    title: str
    sample: str | None  # the newest error as Lamina gave it
    first_seen: datetime = instant_column()
    last_seen: datetime = instant_column()
    number: int
    open_number: int
    state: str
    state_by: str | None
    state_at: datetime | None = instant_column(nullable=True)
    ignored_until: datetime | None = instant_column(nullable=True)
    ignored_limit: int | None  # failures at which it is shown again
    reopened_at: datetime | None = instant_column(nullable=True)


class FailureHourTable(SQLModel, table=True):
    """How many executions of one fingerprint failed in one hour."""

    __tablename__ = "failure_hour"

    fingerprint: str = Field(primary_key=True)
    hour: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    number: int

    __table_args__ = (sa.Index("failure_hour_time", "hour", "fingerprint", "number"),)


class AdviceRuleTable(SQLModel, table=True):
    """What an admin has added to the advice on errors."""

    __tablename__ = "advice_rule"

    id: int = id_column()
    app_id: str | None
    text: str
    failure_class: str
    action: str
    sentence: str
    added_by: str
    added_at: datetime = instant_column()


class BulkTable(SQLModel, table=True):
    """One operation on many executions, chosen by id at one instant."""

    __tablename__ = "bulk"

    id: int = id_column()
    kind: str
    state: str
    chosen_as: str  # in people's words: ticked rows, a group, a filter
    chosen_at: datetime = instant_column()
    created_by: str
    reason: str
    patch: dict[str, Any] | None = document_column(nullable=True)
    canaries: int
    per_minute: int
    checked: int  # items before this place, whose ends an operator has seen by resuming, stop it no more
    changed_by: str | None  # who paused, resumed or aborted it last
    stopped_because: str | None
    updated_at: datetime = instant_column()
    next_at: datetime | None = instant_column(nullable=True)  # before which nothing more is sent


class BulkItemTable(SQLModel, table=True):
    """One execution of a bulk operation; its token makes of two sends one start."""

    __tablename__ = "bulk_item"

    bulk: int = reference_column("bulk.id", primary_key=True)
    position: int = Field(primary_key=True)
    execution: int = reference_column("execution.id", nullable=False)
    state: str
    token: str | None
    replay: int | None = reference_column("execution.id")
    problem: str | None

    __table_args__ = (
        sa.Index("bulk_item_state", "bulk", "state", "position"),
        sa.Index("bulk_item_execution", "execution"),
        partial_index("bulk_item_replay", "replay"),
    )


class SavedWebhookTable(SQLModel, table=True):
    """A webhook that an operator saved in the debugger; its token is its address."""

    __tablename__ = "saved_webhook"

    id: int = id_column()
    token: str = Field(unique=True)
    saved_at: datetime = instant_column()
    saved_by: str
    title: str
    note: str
    signature: str | None
    timestamp: str | None
    request_id: str | None
    user_id: str | None
    headers: list[list[str]] = document_column()  # names and values, in their order
    body: bytes
    exact: bool
    source: str  # what it was read from, in people's words
    received_at: datetime | None = instant_column(nullable=True)
    keys: dict[str, Any] = document_column()  # public ones alone
