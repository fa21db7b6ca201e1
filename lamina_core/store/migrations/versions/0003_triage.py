"""Failures and their causes, advice that admins add, and operations on many executions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "failure",
        sa.Column("execution", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("triage", sa.String(), nullable=False),
        sa.Column("triage_by", sa.String(), nullable=True),
        sa.Column("triage_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.BigInteger(), nullable=True),
        sa.Column("assignee", sa.String(), nullable=True),
        sa.Column("ticket", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["execution"], ["execution.id"]),
        sa.ForeignKeyConstraint(["resolved_by"], ["execution.id"]),
        sa.PrimaryKeyConstraint("execution"),
    )
    op.create_index(
        "failure_group_members", "failure", ["fingerprint", "triage", "failed_at", "execution"], unique=False
    )
    op.create_index(
        "failure_resolved_by",
        "failure",
        ["resolved_by"],
        unique=False,
        sqlite_where=sa.text("resolved_by IS NOT NULL"),
        postgresql_where=sa.text("resolved_by IS NOT NULL"),
    )
    op.create_index("failure_triage", "failure", ["triage", "failed_at", "execution"], unique=False)
    op.create_table(
        "failure_group",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("app_name", sa.String(), nullable=False),
        sa.Column("error_class", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("sample", sa.String(), nullable=True),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("open_number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_by", sa.String(), nullable=True),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ignored_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ignored_limit", sa.Integer(), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_table(
        "failure_hour",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "hour"),
    )
    op.create_index("failure_hour_time", "failure_hour", ["hour", "fingerprint", "number"], unique=False)
    op.create_table(
        "advice_rule",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("app_id", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("failure_class", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "bulk",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("chosen_as", sa.String(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("patch", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("canaries", sa.Integer(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=True),
        sa.Column("stopped_because", sa.String(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "bulk_item",
        sa.Column("bulk", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("execution", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("replay", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["bulk"], ["bulk.id"]),
        sa.ForeignKeyConstraint(["execution"], ["execution.id"]),
        sa.ForeignKeyConstraint(["replay"], ["execution.id"]),
        sa.PrimaryKeyConstraint("bulk", "position"),
    )
    op.create_index("bulk_item_execution", "bulk_item", ["execution"], unique=False)
    op.create_index(
        "bulk_item_replay",
        "bulk_item",
        ["replay"],
        unique=False,
        sqlite_where=sa.text("replay IS NOT NULL"),
        postgresql_where=sa.text("replay IS NOT NULL"),
    )
    op.create_index("bulk_item_state", "bulk_item", ["bulk", "state", "position"], unique=False)
