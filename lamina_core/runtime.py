"""Builds the parts and owns them: what a process of Lamina Desk consists of, apart from its screens."""

import gc
import logging
import os
import random
import socket
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypedDict
from urllib.parse import urlsplit

from lamina_core import errors
from lamina_core.adoption import Adoption
from lamina_core.api.client import LaminaClient
from lamina_core.api.outbound import LinkChecker
from lamina_core.bulk.desk import BulkDesk
from lamina_core.bulk.runner import BulkRunner
from lamina_core.clock import Clock, SystemClock
from lamina_core.config import DATA, Settings
from lamina_core.debugger.desk import DebuggerDesk
from lamina_core.debugger.saving import SavedWebhooks
from lamina_core.debugger.workbench import Workbench
from lamina_core.domain import Generation
from lamina_core.exporting import Exporting
from lamina_core.ingest import Ingest
from lamina_core.insights.probes import Probes
from lamina_core.insights.sharing import Sharing
from lamina_core.insights.warming import warm_lists
from lamina_core.operations import Operations
from lamina_core.polling.budget import Budget
from lamina_core.polling.poller import Chore, Poller
from lamina_core.retention import Retention
from lamina_core.sandbox.server import Sandbox
from lamina_core.seeding.demo import DemoDesk
from lamina_core.store import deliveries, engine, notes, space, tally
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer
from lamina_core.triage.groups import TriageDesk
from lamina_core.triage.regrouping import Regrouping
from lamina_core.webhooks import receiver
from lamina_core.webhooks.keys import KeyRing
from lamina_core.webhooks.receiver import Receiver

log = logging.getLogger(__name__)

_UNCHECKED_AT_ONCE = 50
_ADOPTING = timedelta(seconds=15)  # so that foreign webhooks cost a few requests a minute at most
_IMPORTING = timedelta(seconds=15)
_REGROUPING = timedelta(seconds=1)
_PURGING = timedelta(seconds=0.25)  # between two batches: others come first
_SHORTENING = timedelta(minutes=5)
_FOLDING = timedelta(seconds=2)


class _Shared(TypedDict):
    engines: Engines
    writer: Writer
    client: LaminaClient
    budget: Budget
    clock: Clock
    generation: Generation


@dataclass
class Runtime:
    """The parts of one process; `own_address` is where a browser on this machine reaches us."""

    holder: str  # this process's name in leases
    settings: Settings
    clock: Clock
    rng: random.Random
    engines: Engines
    writer: Writer
    client: LaminaClient
    budget: Budget
    keys: KeyRing
    receiver: Receiver
    ingest: Ingest
    exporting: Exporting
    probes: Probes
    sharing: Sharing
    operations: Operations
    triage: TriageDesk
    bulks: BulkDesk
    links: LinkChecker
    debugger: DebuggerDesk
    saved_webhooks: SavedWebhooks
    poller: Poller
    sandbox: Sandbox | None
    own_address: str | None = None
    bulk_runner: BulkRunner = field(init=False)
    demo: DemoDesk = field(init=False)
    workbench: Workbench = field(init=False)

    def __post_init__(self) -> None:
        self.bulk_runner = BulkRunner(
            holder=self.holder,
            engines=self.engines,
            writer=self.writer,
            operations=self.operations,
            budget=self.budget,
            clock=self.clock,
            webhook_url=lambda: self.webhook_url,
        )
        self.demo = DemoDesk(
            engines=self.engines,
            writer=self.writer,
            clock=self.clock,
            settings=self.settings,
            signing_key=lambda: self.sandbox.signing_key() if self.sandbox else None,
        )
        self.workbench = Workbench(
            writer=self.writer,
            clock=self.clock,
            rng=self.rng,
            send_to=self.settings.send_to,
            own_receiver=lambda: self.webhook_url if self.sandbox else None,
            sandbox_key=self.sandbox.signing_key if self.sandbox else None,
        )

    @property
    def webhook_url(self) -> str | None:
        """Return where Lamina can send webhooks, None if nowhere.

        The sandbox runs on this machine, so in sandbox mode our own address will do.
        """
        base = self.settings.public_url or (self.own_address if self.sandbox else None)
        return base and base + receiver.PATH

    def learn_address(self, address: str) -> None:
        """Take note of our own address, which only a bound socket knows."""
        self.own_address = self.own_address or address

    def warm(self) -> None:
        """Do once, before anybody waits for it, what the first of each kind of page would wait for."""
        try:
            warm_lists(self.engines, self.clock)
        except errors.StoreError as error:
            log.warning("lists could not be read at the start: %s", error)

    def start(self) -> None:
        """Start the sandbox, where there is none elsewhere, the poller and the bulk operations.

        ConfigurationError if the sandbox's port is taken; everything is stopped then.
        """
        if self.sandbox is not None:
            try:
                self.sandbox.start()
            except errors.ConfigurationError:
                self.stop()
                raise
        self.poller.start()
        self.bulk_runner.start()

    def stop(self) -> None:
        """Stop every part, the last started first; what was handed to the writer is written."""
        self.bulk_runner.stop()
        self.poller.stop()
        if self.sandbox is not None:
            self.sandbox.stop()
        self.links.close()
        self.writer.stop()
        self.client.close()
        self.engines.close()
        if _current is self:
            set_current(None)


def open_store(settings: Settings, clock: Clock) -> tuple[Engines, Writer]:
    """Open the database of these settings, bring it up to date, and start its writer.

    StoreError, StoreNewer or StoreForeign if the database cannot be used.
    """
    engines = engine.open_engines(settings.database_url)
    engine.migrate(engines.write)
    writer = Writer(engines.write, clock)
    writer.start()
    try:
        writer.run(lambda connection: notes.claim_store(connection, settings.lamina, clock.now()))
    except errors.StoreError:
        writer.stop()
        engines.close()
        raise
    return engines, writer


def build(settings: Settings, clock: Clock | None = None) -> Runtime:
    """Open the store and put the parts together; only the writer runs until `start`.

    StoreError, StoreNewer or StoreForeign if the database cannot be used.
    """
    clock = clock or SystemClock()
    rng = random.SystemRandom()
    engines, writer = open_store(settings, clock)
    budget = Budget(settings.rate_limit_per_minute, clock)
    client = LaminaClient(
        base_url=settings.base_url,
        api_key=settings.api_key,
        generation=settings.generation,
        clock=clock,
        rng=rng,
        observe=budget.observe,
        may_repeat=budget.take_poll,
    )
    keys = KeyRing(engines, writer, client, budget, clock)
    keys.load()
    deliveries_receiver = Receiver(writer, keys, clock)
    shared: _Shared = {
        "engines": engines,
        "writer": writer,
        "client": client,
        "budget": budget,
        "clock": clock,
        "generation": settings.generation,
    }
    operations = Operations(**shared)
    holder = f"{socket.gethostname()}:{os.getpid()}:{rng.getrandbits(32):08x}"
    poller = Poller(
        holder=holder,
        engines=engines,
        writer=writer,
        client=client,
        budget=budget,
        clock=clock,
        chores=_chores(settings, shared, operations, keys, deliveries_receiver),
    )
    return Runtime(
        holder=holder,
        settings=settings,
        clock=clock,
        rng=rng,
        engines=engines,
        writer=writer,
        client=client,
        budget=budget,
        keys=keys,
        receiver=deliveries_receiver,
        ingest=Ingest(writer, settings.ingest_token, settings.generation, clock),
        exporting=Exporting(engines, writer, clock, rng),
        probes=Probes(engines, writer, budget, clock),
        sharing=Sharing(clock),
        operations=operations,
        triage=TriageDesk(engines, writer, clock),
        bulks=BulkDesk(engines, writer, operations, clock, rng),
        links=LinkChecker(urlsplit(settings.base_url).netloc, clock),
        debugger=DebuggerDesk(engines, keys, clock),
        saved_webhooks=SavedWebhooks(engines, writer, clock, rng),
        poller=poller,
        sandbox=_sandbox(settings, clock, rng) if settings.sandbox else None,
    )


def _sandbox(settings: Settings, clock: Clock, rng: random.Random) -> Sandbox:
    return Sandbox(
        catalogue_file=DATA / "catalogue.json",
        database=settings.sandbox_database,
        clock=clock,
        seed=rng.getrandbits(32),
        speed=settings.sandbox_speed,
        port=settings.sandbox_port,
    )


def _chores(
    settings: Settings, shared: _Shared, operations: Operations, keys: KeyRing, deliveries_receiver: Receiver
) -> list[Chore]:
    engines = shared["engines"]
    adoption = Adoption(**shared)
    regrouping = Regrouping(engines, shared["writer"], shared["clock"])

    def refresh_keys() -> None:
        if keys.is_stale():
            keys.refresh()

    def settle_unchecked() -> None:
        with engines.reading() as connection:
            waiting = deliveries.unchecked(connection, _UNCHECKED_AT_ONCE)
        if waiting and not keys.keys():
            keys.refresh()
        for kept in waiting:
            deliveries_receiver.settle(kept)

    def shorten_log() -> None:
        space.shorten_log(engines)

    def is_unfolded() -> bool:
        with engines.reading() as connection:
            return tally.has_changes(connection)

    def fold_tally() -> None:
        while shared["writer"].run(tally.fold) == tally.FOLDED:
            pass

    # The ring takes from the budget by itself: its reads must not wait.
    chores = [
        Chore("reading the list of apps", timedelta(minutes=5), operations.refresh_apps, asks_lamina=True),
        Chore("reading the key set", timedelta(minutes=1), refresh_keys, asks_lamina=False),
        Chore("checking deliveries again", timedelta(seconds=5), settle_unchecked, asks_lamina=False),
        Chore("settling lost starts", timedelta(seconds=10), operations.expire_starts, asks_lamina=False),
        Chore("shortening the log", _SHORTENING, shorten_log, asks_lamina=False),
        Chore("adding up the tally", _FOLDING, fold_tally, False, is_unfolded),
        Chore("grouping failures", _REGROUPING, regrouping.regroup_next, False, regrouping.is_unfinished),
        Chore("adopting executions", _ADOPTING, adoption.adopt_next, True, adoption.is_any_waiting),
    ]
    if settings.keep.is_on:
        retention = Retention(engines, shared["writer"], shared["clock"], settings.keep)
        chores.append(Chore("deleting what is too old", _PURGING, retention.purge_next, False, retention.is_due))
    if settings.import_listed:
        chores.append(Chore("importing executions", _IMPORTING, adoption.import_listed, asks_lamina=True))
    return chores


_current: Runtime | None = None


def set_current(runtime: Runtime | None) -> None:
    """Make this the runtime that the screens of the process use."""
    global _current  # noqa: PLW0603 - Streamlit's scripts share nothing with us but modules
    _current = runtime


def current() -> Runtime:
    """Return the runtime of this process."""
    if _current is None:
        raise errors.ConfigurationError("Lamina Desk is not running. Start it by `make run` or `python dashboard.py`.")
    return _current


def is_current() -> bool:
    """Say whether this process has a runtime yet."""
    return _current is not None


def settle_memory() -> None:
    """Keep what was imported until now out of every later garbage collection, which halves a refresh."""
    gc.collect()
    gc.freeze()
