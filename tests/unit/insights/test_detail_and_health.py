"""One execution with all that hangs on it, and how the desk is doing."""

from datetime import timedelta

from lamina_core import errors
from lamina_core.domain import Event, Status, Verdict
from lamina_core.insights import detail, health
from lamina_core.polling.health import ApiHealth, ApiState
from lamina_core.store import deliveries, events, leases, notes, remote
from lamina_core.store.deliveries import Arrival, Finding
from lamina_core.store.remote import PayloadChange


def arrival(clock, verdict) -> Arrival:
    return Arrival(clock.now(), verdict, None, 200, "e-1", None, {}, b"{}", "h", None)


def test_an_execution_comes_with_its_family_timeline_and_deliveries(engines, writer, add, clock):
    (original,) = add({"execution_id": "e-1"})
    row, _, _ = add({"replay_of": original}, {}, {})
    add({"replay_of": row, "second": 1})

    def work(connection) -> None:
        events.append(connection, Event(clock.now(), "started", "Ada", execution=row))
        came = deliveries.insert(connection, arrival(clock, Verdict.ACCEPTED))
        deliveries.link(connection, came, Finding(row, None))
        outputs = [{"value": [1]}, {"label": 5, "status": "error"}]
        remote.write_remote(connection, [], [PayloadChange(row, outputs=outputs)])

    writer.run(work)
    found = detail.read_detail(engines, row, clock.now())
    assert found.execution.id == row
    assert [(node.execution.id, node.depth) for node in found.lineage.nodes] == [(original, 0), (row, 1), (5, 2)]
    assert ([event.kind for event in found.timeline], [each.id for each in found.deliveries]) == (["started"], [1])
    assert [(output.label, output.status) for output in found.outputs] == [("Output", "unknown"), ("5", "error")]
    assert (found.payload.inputs, found.as_of) == ({"Prompt": "x"}, clock.now())


def test_what_the_store_does_not_know_has_no_detail(engines, clock):
    assert detail.read_detail(engines, 404, clock.now()) is None


def test_a_fresh_store_is_quiet(engines, clock):
    found = health.read_health(engines, clock.now())
    assert (found.api, found.paused_by, found.lease, found.poller_alive) == (ApiHealth(), None, None, False)
    assert (found.in_flight, found.late, found.next_due_at, found.last_accepted) == (0, 0, None, None)
    assert set(found.deliveries.values()) == {0}


def test_health_is_what_the_processes_wrote_down(engines, writer, add, clock):
    now = clock.now()
    refused = ApiHealth().after_error(errors.AuthRefused("Invalid API key", status=401), now)
    add({"status": Status.RUNNING, "second": -90_000, "next_poll_at": now}, {"status": Status.STARTING})

    def work(connection) -> None:
        notes.write(connection, notes.API_HEALTH, refused.to_document(), now)
        notes.write(connection, notes.POLLING, {"paused_by": "Ada"}, now)
        leases.hold(connection, leases.POLLER, "here", now)
        deliveries.insert(connection, arrival(clock, Verdict.ACCEPTED))
        deliveries.insert(connection, arrival(clock, Verdict.REJECTED))

    writer.run(work)
    found = health.read_health(engines, now)
    assert (found.api.state, found.paused_by, found.poller_alive) == (ApiState.REFUSED, "Ada", True)
    assert (found.in_flight, found.late, found.next_due_at) == (2, 1, now)
    assert found.last_accepted.id == 1
    assert found.deliveries == {Verdict.ACCEPTED: 1, Verdict.REJECTED: 1, Verdict.UNCHECKED: 0}
    later = health.read_health(engines, now + timedelta(hours=25))
    assert (later.poller_alive, set(later.deliveries.values())) == (False, {0})
