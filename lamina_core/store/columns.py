"""What the tables are made of: columns that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: refuses naive values, and gives aware UTC back on every database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant in UTC for the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Return the database's instant as aware UTC; SQLite gives it back without a zone."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


def instant_column(*, nullable: bool = False) -> Any:
    """An instant, aware and in UTC."""
    return Field(sa_type=UtcDateTime, nullable=nullable)


def document_column(*, nullable: bool = False) -> Any:
    """What JSON can say."""
    return Field(sa_type=sa.JSON(none_as_null=True), nullable=nullable)


def name_column(*, unique: bool = False) -> Any:
    """A text that is looked for by how it begins: in the order of its characters, whatever the database's language."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    return Field(default=None, sa_column=sa.Column(text, unique=unique, nullable=True))


def partial_index(name: str, *columns: str, where: str | None = None) -> sa.Index:
    """An index of the rows that have a value in a column, the only one unless it is named."""
    present = sa.text(f"{where or columns[0]} IS NOT NULL")
    return sa.Index(name, *columns, sqlite_where=present, postgresql_where=present)


def id_column() -> Any:
    """The number of a row, which the database counts up."""
    # SQLite counts rows up only for a column that is called exactly INTEGER.
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return Field(default=None, sa_column=sa.Column(key, primary_key=True, autoincrement=True))


def reference_column(target: str, *, primary_key: bool = False, nullable: bool = True) -> Any:
    """The number of a row of another table."""
    return Field(
        default=None,
        sa_column=sa.Column(
            sa.BigInteger(),
            sa.ForeignKey(target),
            primary_key=primary_key,
            nullable=nullable and not primary_key,
        ),
    )
