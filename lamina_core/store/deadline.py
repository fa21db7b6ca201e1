"""How long a search may take, and how a statement is ended that takes longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import Clock

_STEPS = 20_000  # of SQLite's machine between two looks at the clock: under a millisecond


@dataclass(frozen=True)
class Deadline:
    """An instant of a clock's monotonic time by which an answer is due, be it a part of the whole."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """Return the deadline this many seconds from now."""
        return cls(clock, clock.monotonic() + seconds)

    @property
    def has_passed(self) -> bool:
        """Say whether it is too late to begin anything more."""
        return self.left <= 0

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.at - self.clock.monotonic()

    @contextmanager
    def enforced(self, connection: sa.Connection) -> Iterator[None]:
        """End a statement that runs longer; DeadlinePassed then, and the connection can go on being used."""
        watch = _on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite
        try:
            with watch(connection, self):
                yield
        except sa.exc.OperationalError as error:
            if "interrupted" in str(error.orig) or "statement timeout" in str(error.orig):
                raise errors.DeadlinePassed("The search took too long.") from error
            raise


@contextmanager
def _on_sqlite(connection: sa.Connection, deadline: Deadline) -> Iterator[None]:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a connection that is open has one
    driver.set_progress_handler(lambda: deadline.has_passed, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _on_postgresql(connection: sa.Connection, deadline: Deadline) -> Iterator[None]:
    with connection.begin_nested():
        milliseconds = max(int(deadline.left * 1_000), 1)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
        yield
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
