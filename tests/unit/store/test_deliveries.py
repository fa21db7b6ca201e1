"""Deliveries in the store: rejected ones are bounded by count and by size, the others are never thrown away."""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from lamina_core.domain import Verdict
from lamina_core.store import deliveries
from lamina_core.store.deliveries import REJECTED_BYTES_KEPT, REJECTED_KEPT, Arrival
from lamina_core.store.tables import DeliveryTable

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def arrival(verdict=Verdict.REJECTED, body=b"x", **changes) -> Arrival:
    fields = {
        "received_at": T0,
        "verdict": verdict,
        "reason": None,
        "answered": 401,
        "request_id": "e-1",
        "key_id": None,
        "headers": {},
        "body": body,
        "content_hash": hashlib.sha256(body).hexdigest(),
        "start_token": None,
    }
    return Arrival(**fields | changes)


def insert(writer, *arrivals: Arrival) -> list[int]:
    return writer.run(lambda connection: [deliveries.insert(connection, each) for each in arrivals])


def fill(writer, verdict: Verdict, count: int) -> None:
    """Insert many small ones at once, past the function that throws away."""
    first = asdict(arrival(verdict)) | {"body_size": 1}
    writer.run(lambda connection: connection.execute(sa.insert(DeliveryTable), [first] * count))


def totals(engines, verdict: Verdict) -> tuple[int, int, int]:
    with engines.reading() as connection:
        return tuple(
            connection.execute(
                sa.text(
                    "SELECT count(*), coalesce(sum(body_size), 0), coalesce(max(id), 0) FROM delivery WHERE verdict=:v"
                ),
                {"v": verdict},
            ).one()
        )


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.UNCHECKED])
def test_what_is_not_verified_is_bounded_by_count_and_the_newest_stay(sqlite_engines, sqlite_writer, verdict):
    fill(sqlite_writer, Verdict.ACCEPTED, 30)
    fill(sqlite_writer, verdict, REJECTED_KEPT + 100)
    last = insert(sqlite_writer, *[arrival(verdict)] * 70)[-1]
    count, _, newest = totals(sqlite_engines, verdict)
    assert count == REJECTED_KEPT
    assert newest == last
    assert totals(sqlite_engines, Verdict.ACCEPTED)[0] == 30


def test_what_is_not_verified_is_bounded_by_size(sqlite_engines, sqlite_writer):
    body = b"x" * 1_000_000
    last = insert(sqlite_writer, *[arrival(body=body)] * 100)[-1]
    count, size, newest = totals(sqlite_engines, Verdict.REJECTED)
    assert (count, size, newest) == (50, REJECTED_BYTES_KEPT, last)


def test_verified_ones_are_never_thrown_away(sqlite_engines, sqlite_writer):
    fill(sqlite_writer, Verdict.ACCEPTED, REJECTED_KEPT)
    insert(sqlite_writer, *[arrival(Verdict.ACCEPTED)] * 100, *[arrival()] * 100)
    assert totals(sqlite_engines, Verdict.ACCEPTED)[0] == REJECTED_KEPT + 100


def test_both_databases_throw_the_oldest_away(engines, writer):
    fill(writer, Verdict.REJECTED, REJECTED_KEPT + 49)
    insert(writer, arrival())
    assert totals(engines, Verdict.REJECTED)[::2] == (REJECTED_KEPT, REJECTED_KEPT + 50)


def test_bytes_and_odd_headers_come_back_as_they_were(engines, writer):
    body = bytes(range(256)) * 3
    (row,) = insert(writer, arrival(body=body, headers={"Content-Type": "ü\u2028'\""}, start_token="t"))
    with engines.reading() as connection:
        kept = deliveries.find_kept(connection, row)
    assert (bytes(kept.body), kept.headers, kept.start_token) == (body, {"Content-Type": "ü\u2028'\""}, "t")


def test_the_first_of_the_same_is_found_among_the_verified_ones_before(engines, writer):
    _, first, _, other, again = insert(
        writer,
        arrival(),
        arrival(Verdict.ACCEPTED),
        arrival(Verdict.ACCEPTED, request_id="e-2"),
        arrival(Verdict.ACCEPTED, body=b"other"),
        arrival(Verdict.ACCEPTED),
    )
    same = ("e-1", arrival().content_hash)
    with engines.reading() as connection:
        assert deliveries.find_same(connection, [same, ("e-3", "x")]) == {same: (first, None)}
        assert deliveries.find_same(connection, [same], before=again) == {same: (first, None)}
        assert deliveries.find_same(connection, [same], before=first) == {}
        assert deliveries.find_same(connection, [("e-1", arrival(body=b"other").content_hash)], before=other) == {}


def test_unchecked_ones_wait_oldest_first_until_they_are_settled(engines, writer):
    first, second, third = insert(writer, *[arrival(Verdict.UNCHECKED)] * 3)
    writer.run(
        lambda connection: deliveries.settle(
            connection, first, verdict=Verdict.REJECTED, reason="not_verified", key_id=None
        )
    )
    with engines.reading() as connection:
        assert [kept.id for kept in deliveries.unchecked(connection, 10)] == [second, third]
        assert [kept.id for kept in deliveries.unchecked(connection, 1)] == [second]


def test_the_newest_and_the_counts_of_a_time(engines, writer):
    with engines.reading() as connection:
        assert deliveries.newest(connection) is None
    insert(
        writer,
        arrival(Verdict.ACCEPTED, received_at=T0 - timedelta(days=2)),
        arrival(Verdict.ACCEPTED),
        arrival(received_at=T0 + timedelta(seconds=1)),
    )
    with engines.reading() as connection:
        assert deliveries.newest(connection).verdict is Verdict.REJECTED
        assert deliveries.newest(connection, Verdict.ACCEPTED).received_at == T0
        assert deliveries.newest(connection, Verdict.UNCHECKED) is None
        assert deliveries.count_since(connection, T0) == {
            Verdict.ACCEPTED: 1,
            Verdict.REJECTED: 1,
            Verdict.UNCHECKED: 0,
        }
