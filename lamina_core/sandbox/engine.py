"""Starts, cancels and refines runs: the plan decides, the state remembers, the time does the rest."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from lamina_core.clock import Clock
from lamina_core.sandbox import faults, media, plan, shapes
from lamina_core.sandbox.catalogue import App
from lamina_core.sandbox.plan import Plan
from lamina_core.sandbox.records import Execution, Generation, Webhook
from lamina_core.sandbox.state import State

_SUFFIXES = {"image": ".png", "video": ".webm"}
_LATE = 60.0  # seconds by which a late webhook is late, unless the fault says otherwise


class Engine:
    """Runs the apps; durations are divided by `speed`, and the same seed plans the same runs in the same order.

    `on_webhook` is told of every webhook as soon as it is planned.
    """

    def __init__(
        self,
        state: State,
        *,
        clock: Clock,
        seed: int,
        speed: float,
        base_url: str,
        on_webhook: Callable[[Webhook], None],
    ) -> None:
        self._state = state
        self._clock = clock
        self._seed = seed
        self._speed = speed
        self._base_url = base_url
        self._on_webhook = on_webhook

    def now(self) -> int:
        """Return the present instant in milliseconds."""
        return plan.milliseconds(self._clock.now())

    def look(self, execution: Execution) -> plan.RunView:
        """Return the run as it stands now."""
        return plan.view(execution.plan, self.now())

    def start(
        self,
        app: App,
        *,
        generation: Generation,
        inputs: Mapping[str, Any],
        values: Mapping[str, Any],
        chosen: tuple[int, ...],
        webhook_url: str | None,
        wanted_faults: tuple[faults.Fault, ...],
    ) -> Execution:
        """Plan and store a run of checked inputs; `chosen` are the indices of the outputs to make."""
        number = self._state.next_number()
        # A generator of its own for each run: the sequence goes on over restarts instead of beginning again.
        rng = random.Random(f"{self._seed}:{number}")  # noqa: S311 - demo data
        execution_id = str(uuid4())  # not seeded: two sandboxes with one seed must not share ids
        now = self.now()
        starts_at = now + self._scaled(app.queue_seconds * rng.uniform(0.5, 1.5))
        ends_at = starts_at + self._scaled(plan.draw_duration(app, rng))
        execution = Execution(
            number=number,
            execution_id=execution_id,
            generation=generation,
            app_id=app.app_id,
            app_name=app.name,
            inputs=dict(inputs),
            values=dict(values),
            webhook_url=webhook_url,
            credits=app.credits,
            faults=wanted_faults,
            plan=Plan(now, starts_at, ends_at, plan.COMPLETED, None, (), rng.getrandbits(32), 0),
        )
        execution = self._decide(execution, app, chosen, starts_at, rng)
        self._announce(self._state.add_execution(execution, self._webhook_for(execution)))
        return execution

    def cancel(self, execution: Execution) -> Execution:
        """End a run now; one that has ended already stays as it is. No webhook is sent for it."""
        now = self.now()
        changed = replace(execution, plan=plan.cancel(execution.plan, now))
        if changed != execution:
            self._state.change_plan(changed, webhook=None, drop_due_after=now)
        return changed

    def refine(self, execution: Execution, app: App) -> Execution:
        """Do a completed run again in place: same id, new pictures, a later end, another webhook."""
        old, now = execution.plan, self.now()
        rng = random.Random(f"{self._seed}:{execution.number}:{old.revision + 1}")  # noqa: S311 - demo data
        again = replace(
            old,
            ends_at=now + self._scaled(plan.draw_duration(app, rng)),
            seed=rng.getrandbits(32),
            revision=old.revision + 1,
        )
        made = {output.node_id for output in old.outputs}
        chosen = tuple(index for index, output in enumerate(app.outputs) if output.node_id in made)
        changed = self._decide(replace(execution, plan=again), app, chosen, now, rng)
        webhook = self._webhook_for(changed)
        self._announce(self._state.change_plan(changed, webhook=webhook))
        return changed

    def _scaled(self, seconds: float) -> int:
        return max(1, round(seconds * 1000 / self._speed))

    def _announce(self, webhook: Webhook | None) -> None:
        if webhook is not None:
            self._on_webhook(webhook)

    def _decide(
        self, execution: Execution, app: App, chosen: tuple[int, ...], since: int, rng: random.Random
    ) -> Execution:
        """Return the execution with outputs and outcome decided, all ready between `since` and the plan's end."""
        decided = execution.plan
        rule = plan.find_failure(app, execution.values)
        outputs = [
            (index, app.outputs[index], self._value(execution, app, place, index)) for place, index in enumerate(chosen)
        ]
        times = plan.draw_ready_times(len(outputs), since, decided.ends_at, rng)
        fates = plan.decide_outputs(outputs, rule, times)
        message = rule.error_message if rule is not None else None
        outcome = plan.COMPLETED if message is None else plan.FAILED
        return replace(execution, plan=replace(decided, outputs=fates, outcome=outcome, error_message=message))

    def _value(self, execution: Execution, app: App, place: int, index: int) -> str:
        output, decided = app.outputs[index], execution.plan
        if output.type == "text":
            return media.compose_text(app, output, execution.values, decided.seed)
        # The revision in the URL lets caches tell a refined picture from the one before it.
        version = f"?v={decided.revision}" if decided.revision else ""
        return f"{self._base_url}/sandbox/outputs/{execution.execution_id}/{place}{_SUFFIXES[output.type]}{version}"

    def _webhook_for(self, execution: Execution) -> Webhook | None:
        if execution.webhook_url is None:
            return None
        due_at = execution.plan.ends_at
        for fault in execution.faults:
            if fault.name is faults.Name.LATE_WEBHOOK:
                due_at += self._scaled(fault.seconds_or(_LATE))
        final = plan.view(execution.plan, execution.plan.ends_at)
        wanted = tuple(fault for fault in execution.faults if fault.name in faults.DELIVERY_FAULTS)
        return Webhook(
            number=0,
            execution_id=execution.execution_id,
            url=execution.webhook_url,
            body=shapes.encode({"data": shapes.run(execution.generation, execution, final)}),
            due_at=due_at,
            attempts=0,
            faults=tuple(fault for fault in wanted if fault.name is not faults.Name.LATE_WEBHOOK),
        )
