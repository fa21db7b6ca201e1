"""What a database's planner is told, where it would choose an index that reads too many rows."""

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Aside(FunctionElement[Any]):
    """A column whose index is not to be used, whatever the planner believes of it.

    Only SQLite needs to be told; PostgreSQL knows how its rows are spread.
    """

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(Aside)
def _as_column(element: Aside, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses.clauses[0], **options))


@compiles(Aside, "sqlite")
def _without_index(element: Aside, compiler: Any, **options: Any) -> str:
    return "+" + _as_column(element, compiler, **options)
