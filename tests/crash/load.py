"""What the operators of one process do, drawn from a seed: which apps they start, with which faults, how often."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# An app's name: the text parameter that carries the token, and a word in it that makes the execution fail.
APPS = {
    "Studio Product Shot": ("Scene Notes", ""),
    "Campaign Hero Banner": ("Prompt", "celebrity"),
    "Full Catalogue Set": ("Collection Name", ""),
    "Campaign Film": ("Storyboard", "explosion"),
}
SHORT_APPS = ("Studio Product Shot", "Campaign Hero Banner")  # half a second at twenty times the speed of life
# What a start's own text asks of the sandbox, and how often; most ask for nothing.
MARKERS = {
    "": 50,
    "[fault:slow;seconds=1]": 6,
    "[fault:slow;seconds=3]": 4,
    "[fault:answer_lost]": 8,
    "[fault:truncated_json]": 4,
    "[fault:dropped_connection]": 5,
    "[fault:server_error]": 5,
    "[fault:lost_webhook]": 8,
    "[fault:duplicate_webhook]": 10,
}
# What the harness arms for the next start, the next read of an execution, or the next attempt of a webhook.
START_FAULTS = ({"fault": "answer_lost"}, {"fault": "rate_limited", "seconds": 1})
READ_FAULTS = (
    {"fault": "server_error"},
    {"fault": "dropped_connection"},
    {"fault": "truncated_json"},
    {"fault": "slow", "seconds": 1},
)
ATTEMPT_FAULTS = (
    {"fault": "lost_webhook"},
    {"fault": "duplicate_webhook"},
    {"fault": "wrong_signature"},
    {"fault": "late_webhook", "seconds": 20},
)
_WITH_WEBHOOK = 0.75  # of all starts
_ENDS_FAILED = 0.1  # of those whose app can be made to fail
_TOKEN = re.compile(r"token ([0-9a-f]{32})")


@dataclass(frozen=True)
class Load:
    """What the operators of one process do; `pause` is the mean of seconds between two starts of one of them."""

    operators: int
    pause: float
    apps: tuple[str, ...]
    seed: str
    faults: bool = True

    def as_arguments(self) -> list[str]:
        """Return the load as the command line of `process` takes it."""
        named = [word for name in self.apps for word in ("--app", name)]
        faults = ["--faults"] if self.faults else []
        return ["--operators", str(self.operators), "--pause", str(self.pause), "--seed", self.seed, *named, *faults]


REST = Load(operators=0, pause=0, apps=(), seed="rest")


@dataclass(frozen=True)
class Draft:
    """A start as an operator is about to ask for it."""

    app: str
    inputs: dict[str, str]
    asks_webhook: bool


def faults_to_arm(generation: str) -> list[dict[str, Any]]:
    """Return the faults that the harness may arm, each for the requests that it is about in this API generation."""
    noun = "runs" if generation == "runs" else "executions"
    start, read = {"method": "POST", "path": "/apps/"}, {"method": "GET", "path": f"/{noun}/"}
    return [
        *({**fault, **start} for fault in START_FAULTS),
        *({**fault, **read} for fault in READ_FAULTS),
        *({**fault, "path": "/webhooks/lamina"} for fault in ATTEMPT_FAULTS),
    ]


def draw_start(load: Load, token: str, rng: random.Random) -> Draft:
    """Return the next start of an operator; its inputs carry the token, so that the sandbox's log shows it."""
    app = rng.choice(load.apps)
    parameter, failing = APPS[app]
    marker = rng.choices(list(MARKERS), list(MARKERS.values()))[0] if load.faults else ""
    word = failing if rng.random() < _ENDS_FAILED else ""
    return Draft(app, {parameter: f"token {token} {word} {marker}"}, rng.random() < _WITH_WEBHOOK)


def find_token(texts: Sequence[str]) -> str | None:
    """Return the token that a start's inputs carry."""
    found = _TOKEN.search(" ".join(texts))
    return found[1] if found else None
