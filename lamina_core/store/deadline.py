"""How long a search may take, and how a statement is ended that takes longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from lamina_core import errors
from lamina_core.clock import Clock

_TOLD = "The search took too long."
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
        with (_on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite)(connection, self):
            yield


@contextmanager
def _on_sqlite(connection: sa.Connection, deadline: Deadline) -> Iterator[None]:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a connection that is open has one
    has_ended = False

    def is_over() -> bool:
        nonlocal has_ended
        has_ended = has_ended or deadline.has_passed
        return has_ended

    driver.set_progress_handler(is_over, _STEPS)
    try:
        yield
    except sa.exc.OperationalError as error:
        if has_ended:  # whatever it says: a text index that is being opened calls it a failed constructor
            raise errors.DeadlinePassed(_TOLD) from error
        raise
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _on_postgresql(connection: sa.Connection, deadline: Deadline) -> Iterator[None]:
    try:
        with connection.begin_nested():
            milliseconds = max(int(deadline.left * 1_000), 1)
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds}")
            yield
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    except sa.exc.OperationalError as error:
        if "statement timeout" in str(error.orig):
            raise errors.DeadlinePassed(_TOLD) from error
        raise
