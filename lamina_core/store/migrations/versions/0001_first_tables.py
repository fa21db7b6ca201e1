"""First tables: executions with their payloads, deliveries, events, the app cache, leases and notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Spelt out here, not imported: a migration must go on meaning what it meant when it was written.
TEXT = sa.String()
INSTANT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "app",
        sa.Column("app_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("fetched_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("app_id"),
    )
    op.create_table(
        "execution",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("execution_id", TEXT, nullable=True),
        sa.Column("app_id", TEXT, nullable=False),
        sa.Column("app_name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("raw_status", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("generation", TEXT, nullable=False),
        sa.Column("error_message", TEXT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("completed_at", INSTANT, nullable=True),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("reported_as_of", INSTANT, nullable=True),
        sa.Column("delivered_at", INSTANT, nullable=True),
        sa.Column("confirm_from", INSTANT, nullable=True),
        sa.Column("missing_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_poll_at", INSTANT, nullable=True),
        sa.Column("last_poll_at", INSTANT, nullable=True),
        sa.Column("poll_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("poll_error", TEXT, nullable=True),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("replay_of", sa.BigInteger(), nullable=True),
        sa.Column("started_by", TEXT, nullable=False),
        sa.Column("webhook_expected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["replay_of"],
            ["execution.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("execution_id"),
    )
    op.create_index("execution_app", "execution", ["app_id", "created_at", "id"], unique=False)
    op.create_index("execution_app_status", "execution", ["app_id", "status", "created_at", "id"], unique=False)
    op.create_index(
        "execution_due",
        "execution",
        ["next_poll_at"],
        unique=False,
        sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        postgresql_where=sa.text("next_poll_at IS NOT NULL"),
    )
    op.create_index("execution_newest", "execution", ["created_at", "id"], unique=False)
    op.create_index(
        "execution_replays",
        "execution",
        ["replay_of"],
        unique=False,
        sqlite_where=sa.text("replay_of IS NOT NULL"),
        postgresql_where=sa.text("replay_of IS NOT NULL"),
    )
    op.create_index("execution_status", "execution", ["status", "created_at", "id"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("heartbeat_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "note",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("request_id", TEXT, nullable=True),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("headers", DOCUMENT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_size", sa.Integer(), nullable=False),
        sa.Column("content_hash", TEXT, nullable=False),
        sa.Column("start_token", TEXT, nullable=True),
        sa.Column("execution", sa.BigInteger(), nullable=True),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["duplicate_of"],
            ["delivery.id"],
        ),
        sa.ForeignKeyConstraint(
            ["execution"],
            ["execution.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("delivery_execution", "delivery", ["execution", "id"], unique=False)
    op.create_index("delivery_newest", "delivery", ["received_at", "id"], unique=False)
    op.create_index("delivery_verdict", "delivery", ["verdict", "id"], unique=False)
    op.create_index("ix_delivery_request_id", "delivery", ["request_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("execution", sa.BigInteger(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["execution"],
            ["execution.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("event_execution", "event", ["execution", "id"], unique=False)
    op.create_table(
        "execution_payload",
        sa.Column("execution", sa.BigInteger(), nullable=False),
        sa.Column("start_token", TEXT, nullable=True),
        sa.Column("inputs", DOCUMENT, nullable=False),
        sa.Column("chosen_outputs", DOCUMENT, nullable=True),
        sa.Column("outputs", DOCUMENT, nullable=True),
        sa.Column("last_report", DOCUMENT, nullable=True),
        sa.Column("problems", DOCUMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["execution"],
            ["execution.id"],
        ),
        sa.PrimaryKeyConstraint("execution"),
        sa.UniqueConstraint("start_token"),
    )
