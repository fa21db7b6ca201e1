"""The demo history: what an empty dashboard shows of the sandbox, as if it had been in use for a month."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from lamina_core import config, errors
from lamina_core.clock import Clock
from lamina_core.config import Settings
from lamina_core.domain import Event, Operator, Role
from lamina_core.sandbox import catalogue
from lamina_core.seeding.apps import model_apps
from lamina_core.seeding.fates import LONGEST
from lamina_core.seeding.history import History
from lamina_core.signing import SigningKey
from lamina_core.starts import require
from lamina_core.store import events, seeding
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer

EXECUTIONS = 400

_DAYS, _SEED = 30, 1


@dataclass(frozen=True)
class DemoDesk:
    """Fills an empty store with executions of the sandbox's apps; the sandbox does not know them, and is not asked."""

    engines: Engines
    writer: Writer
    clock: Clock
    settings: Settings
    signing_key: Callable[[], SigningKey | None]

    def is_offered(self) -> bool:
        """Say whether this is a sandbox's store without any execution."""
        if not self.settings.sandbox:
            return False
        with self.engines.reading() as connection:
            return seeding.find_last(connection) is None

    def fill(self, operator: Operator) -> int:
        """Store the demo history and return how many executions it has; all of them have ended."""
        require(operator, Role.ADMIN)
        if not self.settings.sandbox:
            raise errors.OperationRefused("A demo history belongs to the sandbox alone.")
        now = self.clock.now()
        apps = catalogue.load(config.DATA / "catalogue.json", self.settings.base_url)
        history = History(
            models=model_apps(apps, invented=0),
            seed=_SEED,
            number=EXECUTIONS,
            first=1,
            end=now - LONGEST - timedelta(minutes=1),
            days=_DAYS,
            generation=self.settings.generation,
            in_flight=False,
            samples=f"{self.settings.base_url}/sandbox/samples",  # nothing of it may lead anywhere else
            key=self.signing_key(),
        )
        batches = list(history.batches(0))

        def work(connection: sa.Connection) -> int:
            if seeding.find_last(connection) is not None:
                raise errors.OperationRefused("There are executions already. A demo history would hide them.")
            progress = seeding.open_history(connection, history.number, history.seed, history.end, now)
            for batch in batches:
                progress = seeding.write_batch(connection, progress, batch, now)
            seeding.settle_groups(connection, progress, history.settle(seeding.find_groups(connection)), now)
            events.append(connection, Event(now, "demo_filled", operator.name, {"executions": progress.done}))
            return progress.done

        return self.writer.run(work)
