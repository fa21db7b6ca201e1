"""What the `million` benches look for: each filter of the Executions screen, common, rare and absent, and their mixes.

Values are picked from the store that is measured, so that each is there, and as rare as it is said to be.
"""

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lamina_core.domain import IN_FLIGHT, Origin, Status
from lamina_core.insights.filters import ExecutionFilter
from lamina_core.store.criteria import Scope
from lamina_core.triage.records import Triage

Parts = Mapping[str, Any]  # of an ExecutionFilter
_MIXES = 60  # of three and more filters
_SEED = 5
_STATUSES = ("completed", "failed", "cancelled", "gone", "running", "start_unconfirmed", "unknown")
_ABSENT = "no-such-thing"


@dataclass(frozen=True, eq=False)
class Shape:
    """One thing to look for; `parts` by the name of the filter that has them."""

    name: str
    parts: Parts

    @property
    def wanted(self) -> ExecutionFilter:
        """Return it as the screen reads it from its URL."""
        return ExecutionFilter(**self.parts)

    def __add__(self, other: "Shape") -> "Shape":
        return Shape(f"{self.name} + {other.name}", {**self.parts, **other.parts})


@dataclass(frozen=True)
class Shapes:
    """`budgeted` have to be found at once; `bounded` may end with an honest part of the answer."""

    budgeted: tuple[Shape, ...]
    bounded: tuple[Shape, ...]


def build_shapes(connection: sa.Connection) -> Shapes:
    """Pick the values from a store and combine them."""
    alone, texts = _single(connection), list(_texts(connection))
    budgeted = [Shape("no filter", {}), *itertools.chain(*alone.values())]
    for name, shapes in alone.items():
        for key in {"app", "status"} - {name}:
            if (name, key) != ("status", "app"):  # that is app with status
                budgeted += [one + two for one in shapes for two in alone[key]]
    rest = {name: shapes for name, shapes in alone.items() if name not in {"app", "status", "id"}}
    bounded = [
        one + two for first, second in itertools.combinations(rest.values(), 2) for one in first for two in second
    ]
    beside = [alone["app"][1], alone["app"][0], alone["status"][0], alone["status"][1], alone["time"][3]]
    bounded += [*texts, *(text + other for text in texts for other in [*beside, alone["origin"][0]])]
    return Shapes(tuple(budgeted), (*bounded, *_mix(alone, texts)))


def _mix(alone: Mapping[str, list[Shape]], texts: list[Shape]) -> Iterator[Shape]:
    chance = random.Random(_SEED)
    every = {**{name: shapes for name, shapes in alone.items() if name != "id"}, "text": texts}
    for _ in range(_MIXES):
        names = chance.sample(sorted(every), chance.randint(3, len(every)))
        mixed = Shape("", {})
        for name in names:
            mixed = chance.choice(every[name]) if not mixed.parts else mixed + chance.choice(every[name])
        yield mixed


def _single(connection: sa.Connection) -> dict[str, list[Shape]]:
    apps = _column(connection, "SELECT app_id FROM tally GROUP BY app_id ORDER BY sum(number) DESC")
    by_operators = "origin IN ('form', 'replay', 'bulk')"
    people = f"SELECT started_by FROM tally WHERE {by_operators} GROUP BY started_by ORDER BY sum(number) DESC"
    operators = _column(connection, people)
    ids = _column(connection, "SELECT execution_id FROM execution WHERE execution_id IS NOT NULL ORDER BY id LIMIT 2")
    reference = _first(
        connection, "SELECT reference FROM execution_text WHERE reference IS NOT NULL ORDER BY execution"
    )
    return {
        "status": [
            *(Shape(name, {"statuses": frozenset({Status(name)})}) for name in _STATUSES),
            Shape("failed or gone", {"statuses": frozenset({Status.FAILED, Status.GONE})}),
            Shape("in flight", {"statuses": IN_FLIGHT}),
        ],
        "app": [
            Shape("common app", {"app_ids": frozenset({apps[0]})}),
            Shape("rare app", {"app_ids": frozenset({apps[-1]})}),
            Shape("three apps", {"app_ids": frozenset({apps[1], apps[-2], apps[-3]})}),
            Shape("absent app", {"app_ids": frozenset({_ABSENT})}),
        ],
        "time": [Shape(f"last {name}", {"range": name}) for name in ("1h", "24h", "7d", "30d")],
        "triage": [Shape(name, {"triages": frozenset({name})}) for name in Triage],
        "origin": [Shape(f"by {name}", {"origins": frozenset({name})}) for name in Origin],
        "operator": [
            Shape("common operator", {"operators": frozenset({operators[0]})}),
            Shape("rare operator", {"operators": frozenset({operators[-1]})}),
            Shape("absent operator", {"operators": frozenset({_ABSENT})}),
        ],
        "id": [
            Shape("whole id", {"text": ids[0]}),
            Shape("begun id", {"text": ids[1][:9]}),
            Shape("reference", {"text": reference}),
            Shape("absent id", {"text": "ffffffff-ffff"}),
        ],
        "duration": [Shape(f"took {name}", {"slowness": name}) for name in ("10s", "1m", "5m", "30m", "2h")],
    }


def _texts(connection: sa.Connection) -> Iterator[Shape]:
    errors = _column(
        connection, "SELECT error FROM execution_text WHERE error LIKE '%%https://%%' ORDER BY execution LIMIT 1"
    )
    found = re.search(r"\w{12,}", errors[0]) if errors else None
    yield from _several(Scope.NAMES, "error or name", common="did not answer", absent=_ABSENT)
    yield from _several(
        Scope.ERROR,
        "error",
        common="answered 404",
        rare=found.group() if found else _ABSENT,
        absent=_ABSENT,
        short="up",
    )
    old = _column(
        connection,
        "SELECT CAST(inputs AS TEXT) FROM execution_payload WHERE inputs IS NOT NULL ORDER BY execution LIMIT 500",
    )
    urls = [url for inputs in old for url in re.findall(r"https://[^\"\s]+", inputs)]
    word = {"common": "lamplight", "rare": re.sub(r".*-(\d+).*", r"\1", urls[0]), "absent": "zyzzyva"}
    yield from _several(Scope.INPUTS, "word", **word)
    yield from _several(
        Scope.INPUTS, "inputs", URL=urls[1], file_name=urls[2].rpartition("/")[2], two_words="warm lamplight"
    )
    yield from _several(Scope.INPUTS, "missing", URL="https://files.example.com/uploads/2019/none.jpg")
    yield from _several(Scope.INSIDE, "inside", common="lampli", rare=urls[3][-12:], absent="zyzzyv", short="q")


def _several(scope: Scope, kind: str, **texts: str) -> Iterable[Shape]:
    for name, text in texts.items():
        yield Shape(f"{kind} {name.replace('_', ' ')}", {"text": text, "scope": scope})


def _column(connection: sa.Connection, query: str) -> list[str]:
    return list(
        connection.exec_driver_sql(query.replace("%%", "%") if connection.dialect.name == "sqlite" else query).scalars()
    )


def _first(connection: sa.Connection, query: str) -> str:
    return _column(connection, f"{query} LIMIT 1")[0]
