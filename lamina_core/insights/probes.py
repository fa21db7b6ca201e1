"""What machines ask: is this process ready, and the figures of the System screen in Prometheus' text format."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lamina_core import errors
from lamina_core.clock import Clock
from lamina_core.domain import Source
from lamina_core.insights.health import Health, Latency, read_health, read_latencies
from lamina_core.polling.budget import Budget
from lamina_core.polling.health import ApiState
from lamina_core.store import engine
from lamina_core.store.engine import Engines
from lamina_core.store.writer import Writer


class Probes:
    """Answers from the same reading of the store that the screens show."""

    def __init__(self, engines: Engines, writer: Writer, budget: Budget, clock: Clock) -> None:
        self._engines = engines
        self._writer = writer
        self._budget = budget
        self._clock = clock

    def check_ready(self) -> dict[str, str]:
        """Return what keeps this process from its work, by part; nothing when it is ready."""
        try:
            missing = engine.missing_version(self._engines)
            health = read_health(self._engines, self._clock.now())
        except errors.StoreError as error:
            return {"database": str(error)}
        found = {}
        if missing is not None:
            found["migrations"] = missing
        if self._writer.trouble is not None:
            found["database"] = self._writer.trouble.message
        if not health.poller_alive:
            found["poller"] = "No process holds the poller's lease."
        return found

    def write_metrics(self) -> bytes:
        """Return the figures as text; StoreError where the store cannot be read."""
        registry = CollectorRegistry(auto_describe=False)
        health, latencies = read_health(self._engines, self._clock.now()), read_latencies(self._engines)
        registry.register(_Figures([*self._list_figures(health), *_list_labelled(health, latencies)]))
        return generate_latest(registry)

    def _list_figures(self, health: Health) -> list[GaugeMetricFamily]:
        now = health.as_of
        figures = [
            _gauge("poller_alive", "Whether a process holds the poller's lease", float(health.poller_alive)),
            _gauge("polling_paused", "Whether an operator has paused polling", float(health.paused_by is not None)),
            _gauge("requests_last_minute", "Requests to Lamina of this process", self._budget.spent_last_minute()),
            _gauge("rate_limit_per_minute", "Lamina's limit per address", self._budget.limit_per_minute),
            _gauge("polls_held_seconds", "For how long Lamina asked polls to wait", self._budget.held_for()),
            _gauge("executions_in_flight", "Starting, queued or running, counted to 1000", health.in_flight),
            _gauge("executions_late", "In flight for more than 24 hours, counted to 1000", health.late),
            _gauge("reads_due", "Executions that wait to be read, counted to 1000", health.due),
            _gauge("writer_backlog", "Pieces of work that wait to be written", self._writer.backlog),
            _gauge("store_trouble", "Whether the last write failed", float(self._writer.trouble is not None)),
        ]
        if health.lease is not None:
            age = (now - health.lease.heartbeat_at).total_seconds()
            figures.append(_gauge("poller_heartbeat_age_seconds", "Since the poller's last sign of life", age))
        if health.next_due_at is not None:
            wait = (health.next_due_at - now).total_seconds()
            figures.append(_gauge("next_read_due_seconds", "Until the next read is due; negative: overdue", wait))
        if health.last_accepted is not None:
            at = health.last_accepted.received_at.timestamp()
            figures.append(_gauge("last_delivery_timestamp_seconds", "When the last verified webhook came", at))
        return figures


def _list_labelled(health: Health, latencies: Mapping[Source, Latency]) -> list[GaugeMetricFamily]:
    deliveries = _labelled("deliveries_last_day", "Webhooks of the last 24 hours", ["verdict"])
    for verdict, number in health.deliveries.items():
        deliveries.add_metric([verdict], number)
    states = _labelled("lamina_state", "How Lamina answers us", ["state"])
    for state in ApiState:
        states.add_metric([state], float(health.api.state is state))
    latency = _labelled("detection_latency_seconds", "From an end to its detection", ["path", "quantile"])
    for source, each in latencies.items():
        latency.add_metric([source, "0.5"], each.median)
        latency.add_metric([source, "0.95"], each.p95)
    return [deliveries, states, latency]


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"lamina_desk_{name}", meaning, value=value)


def _labelled(name: str, meaning: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"lamina_desk_{name}", meaning, labels=labels)


class _Figures(Collector):
    """Hands ready figures to the client library."""

    def __init__(self, figures: Iterable[GaugeMetricFamily]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._figures
