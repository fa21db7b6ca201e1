"""What the reasons that are stored beside deliveries mean, in people's words."""

from collections.abc import Mapping
from dataclasses import dataclass

from lamina_core.domain import Verdict
from lamina_core.progress import Effect
from lamina_core.signing import Reason
from lamina_core.store import deliveries


@dataclass(frozen=True)
class Explanation:
    """What a stored reason means in people's words, and beside which verdict it stands."""

    verdict: Verdict
    words: str


_REJECTED: Mapping[str, str] = {
    Reason.MISSING_SIGNATURE: "No signature header came with it",
    Reason.MISSING_TIMESTAMP: "No timestamp header came with it",
    Reason.MALFORMED_SIGNATURE: "The signature is not 128 hex digits",
    Reason.MALFORMED_TIMESTAMP: "The timestamp is not Unix seconds",
    Reason.STALE_TIMESTAMP: "Signed more than 5 minutes before it came",
    Reason.FUTURE_TIMESTAMP: "Signed more than 5 minutes ahead of our clock",
    Reason.NOT_VERIFIED: "No key of Lamina's made this signature",
    "request_id_mismatch": "The request id is not the id in the body",
    "too_slow": "The body did not arrive in time",
    "cut_off": "The body was cut off",
    "too_large": "The body is too large",
}
_UNCHECKED: Mapping[str, str] = {
    "no_key_set": "No key set to check it with yet",
    "not_stored": "It could not be stored; Lamina sends it again",
}
_ACCEPTED: Mapping[str, str] = {
    deliveries.DUPLICATE: "A copy of one that came before",
    deliveries.UNREADABLE: "Verified, but its body cannot be read",
    deliveries.UNKNOWN_EXECUTION: "Verified, of an execution not known here yet",
    deliveries.NOT_OF_THIS_WORKSPACE: "Verified, but not of this workspace",
    Effect.SAME: "It said what was known already",
    Effect.STALE: "Something newer was known already",
    Effect.DISPUTED: "It contradicts what was known; Lamina is asked",
}
REASONS: Mapping[str, Explanation] = {
    str(reason): Explanation(verdict, words)
    for verdict, table in (
        (Verdict.REJECTED, _REJECTED),
        (Verdict.UNCHECKED, _UNCHECKED),
        (Verdict.ACCEPTED, _ACCEPTED),
    )
    for reason, words in table.items()
}
NEVER_KEPT = "not_stored"  # Lamina was told this reason, but what is not stored cannot be listed


def explain(reason: str | None, duplicate_of: int | None = None) -> str:
    """Return a stored reason in people's words; empty where there is nothing odd, as it is where nobody knows it."""
    if reason is None:
        return ""
    if duplicate_of is not None:
        return f"A copy of #{duplicate_of}"
    return REASONS[reason].words if reason in REASONS else reason.replace("_", " ")
