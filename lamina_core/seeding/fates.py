"""What becomes of an execution: how it ends, when, what it makes, and with what words it fails."""

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from lamina_core.domain import Status
from lamina_core.sandbox.catalogue import App
from lamina_core.sandbox.media import CLIPS
from lamina_core.seeding import words
from lamina_core.seeding.apps import Model
from lamina_core.seeding.causes import REFUSALS, refuse_option, vary

FAILS = 0.075  # of executions, besides those that fail by their inputs

_CANCELLED, _GONE = 0.017, 0.012
_REFUSED = 0.045  # of what is started here
_HURRIED = 0.4  # of these, whatever they were sent
_UNCONFIRMED, _UNSETTLED_FROM = 0.02, 0.98  # of what is started here, in the last share of the history
_PARTLY = 0.3  # of what befalls apps with several outputs hits one alone
_STUCK = 0.01  # take many times as long
LONGEST = timedelta(minutes=15)  # where all must have ended


@dataclass(frozen=True)
class Conditions:
    """Under what an execution runs: where in the history, by whom, and how probably it fails."""

    share: float
    created_at: datetime
    end: datetime
    in_flight: bool
    is_ours: bool
    fails: float


@dataclass(frozen=True)
class Fate:
    """What became of an execution; `word` is Lamina's own for its status."""

    status: Status
    word: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    outputs: list[dict[str, Any]] | None = None
    problems: list[dict[str, Any]] | None = None

    @property
    def is_unnamed(self) -> bool:
        """Say whether Lamina never gave it an id."""
        return self.status in {Status.START_FAILED, Status.START_UNCONFIRMED}

    @property
    def is_reported(self) -> bool:
        """Say whether Lamina told of its status."""
        return not self.is_unnamed and self.status is not Status.GONE


def draw_fate(rng: random.Random, model: Model, inputs: Mapping[str, Any], under: Conditions) -> Fate:
    """Return what becomes of an execution of this app with these inputs."""
    if under.is_ours:
        drawn = rng.random()
        if drawn < _REFUSED:
            return _refuse(rng, model.app, inputs)
        if under.share > _UNSETTLED_FROM and drawn < _REFUSED + _UNCONFIRMED:
            return Fate(Status.START_UNCONFIRMED, error="No answer to this start was recorded here.")
    started_at, completed_at = _draw_times(rng, model.app, under)
    if under.in_flight and completed_at > under.end:
        if started_at > under.end:
            return Fate(Status.QUEUED, "queued")
        return Fate(Status.RUNNING, "running", started_at, outputs=_outputs(rng, model.app, {}, "pending"))
    ended = Fate(Status.COMPLETED, "completed", started_at, completed_at)
    rule = model.find_rule(inputs)
    if rule is not None:
        failed = dict.fromkeys(rule.outputs or range(len(model.app.outputs)), rule.output_error)
        return _fail(rng, model.app, ended, failed, rule.error_message)
    drawn = rng.random()
    if drawn < _CANCELLED:
        return replace(
            ended, status=Status.CANCELLED, word="cancelled", outputs=_outputs(rng, model.app, {}, "cancelled")
        )
    if drawn < _CANCELLED + _GONE:
        return Fate(Status.GONE, "running", started_at)
    if drawn < _CANCELLED + _GONE + under.fails and (failing := _befall(rng, model, ended, under)) is not None:
        return failing
    return replace(ended, outputs=_outputs(rng, model.app, {}, "completed"))


def _refuse(rng: random.Random, app: App, inputs: Mapping[str, Any]) -> Fate:
    """Return a start that was refused, for no reason that would hold today."""
    options = [item for item in app.parameters if item.type == "options" and item.name in inputs]
    if not options or rng.random() < _HURRIED:
        return Fate(Status.START_FAILED, error=rng.choice(REFUSALS))
    refused = rng.choice(options)
    problem = refuse_option(refused, inputs[refused.name])
    return Fate(Status.START_FAILED, error="Invalid inputs", problems=[asdict(problem)])


def _draw_times(rng: random.Random, app: App, under: Conditions) -> tuple[datetime, datetime]:
    queued = app.queue_seconds * (0.5 + rng.random())
    seconds = app.median_seconds * math.exp(app.sigma * rng.gauss(0, 1))
    if rng.random() < _STUCK:
        seconds *= 3 + rng.random() * 20
    if not under.in_flight:
        seconds = min(seconds, LONGEST.total_seconds() - queued)
    started_at = under.created_at + timedelta(milliseconds=int(queued * 1000))
    return started_at, started_at + timedelta(milliseconds=int(seconds * 1000))


def _befall(rng: random.Random, model: Model, ended: Fate, under: Conditions) -> Fate | None:
    """Return the end by one of the app's troubles, None where none of them is about at that time."""
    about = [each for each in model.troubles if each.begins <= under.share <= each.ends]
    if not about:
        return None
    trouble = about[int(rng.random() ** 2 * len(about))]  # the first more often than the others
    said = vary(rng)
    outputs = range(len(model.app.outputs))
    message: str | None = trouble.message.format_map(said)
    if len(outputs) > 1 and rng.random() < _PARTLY:
        outputs, message = range(1), None
    return _fail(rng, model.app, ended, dict.fromkeys(outputs, trouble.output.format_map(said)), message)


def _fail(rng: random.Random, app: App, ended: Fate, failed: Mapping[int, str], message: str | None) -> Fate:
    """Return an end with outputs in error, for all of it where there is a message."""
    outputs = _outputs(rng, app, failed, "completed")
    if message is None:
        return replace(ended, outputs=outputs, error=failed[min(failed)])
    return replace(ended, status=Status.FAILED, word="failed", outputs=outputs, error=message)


def _outputs(rng: random.Random, app: App, failed: Mapping[int, str], status: str) -> list[dict[str, Any]]:
    """Return outputs as Lamina tells of them; those in error keep the type "pending"."""
    made = []
    for index, output in enumerate(app.outputs):
        error = failed.get(index)
        is_made = error is None and status == "completed"
        made.append(
            {
                "id": output.node_id,
                "label": output.label,
                "type": output.type if is_made else "pending",
                "value": _value(rng, app, output.type) if is_made else None,
                "status": "error" if error else status,
                "error": error,
            }
        )
    return made


def _value(rng: random.Random, app: App, made: str) -> str:
    if made == "text":
        return words.write_prompt(rng)
    picture = app.thumbnail_url or ""  # the sandbox has it, and the clips beside it, whichever execution asks
    return f"{picture.rpartition('/')[0]}/{rng.choice(CLIPS)}" if made == "video" else picture
