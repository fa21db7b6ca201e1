"""Executions that others started: a reference, inputs that nobody here knows, and kinds set by operators."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("execution", sa.Column("reference", sa.String(), nullable=True))
    op.create_index(
        "execution_reference",
        "execution",
        ["reference"],
        unique=False,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    with op.batch_alter_table("execution_payload") as payload:
        payload.alter_column("inputs", existing_type=sa.JSON(none_as_null=True), nullable=True)
    op.create_index(
        "delivery_unclaimed",
        "delivery",
        ["id"],
        unique=False,
        sqlite_where=sa.text("reason = 'unknown_execution'"),
        postgresql_where=sa.text("reason = 'unknown_execution'"),
    )
    op.create_table(
        "app_kind",
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("app_id"),
    )
