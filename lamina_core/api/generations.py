"""What differs between the generations of Lamina's API: paths, the noun, and what each can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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
        """Return a path below the generation's prefix."""
        return "/".join((self.prefix, *parts))


DIALECTS: Mapping[Generation, Dialect] = {
    Generation.EXECUTIONS: Dialect(Generation.EXECUTIONS, "/api", "executions", frozenset()),
    Generation.V1_EXECUTIONS: Dialect(Generation.V1_EXECUTIONS, "/v1", "executions", frozenset()),
    Generation.RUNS: Dialect(Generation.RUNS, "/v1", "runs", frozenset(Feature)),
}
