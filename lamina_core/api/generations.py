"""What differs between the generations of Lamina's API: paths, the noun, and what each can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from lamina_core.domain import Generation


class Feature(StrEnum):
    """What only some generations can do."""

    CANCEL = "cancel"
    LIST = "list"
    ESTIMATE = "estimate"
    USAGE = "usage"
    CHOOSE_OUTPUTS = "choose_outputs"


@dataclass(frozen=True)
class Dialect:
    """One generation's way of saying the same things."""

    generation: Generation
    prefix: str
    noun: str
    features: frozenset[Feature]

    def path(self, *parts: str) -> str:
        """Return a path below the generation's prefix; whatever a part holds, it stays one part."""
        return "/".join((self.prefix, *(_segment(part) for part in parts)))


def _segment(part: str) -> str:
    dots = part in {".", ".."}  # as they are, they would name another path
    return part.replace(".", "%2E") if dots else quote(part, safe="")


DIALECTS: Mapping[Generation, Dialect] = {
    Generation.EXECUTIONS: Dialect(Generation.EXECUTIONS, "/api", "executions", frozenset()),
    Generation.V1_EXECUTIONS: Dialect(Generation.V1_EXECUTIONS, "/v1", "executions", frozenset()),
    Generation.RUNS: Dialect(Generation.RUNS, "/v1", "runs", frozenset(Feature)),
}
