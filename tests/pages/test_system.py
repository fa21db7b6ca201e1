"""What System, Overview and the machines' probes say of the desk is so, and becomes so again when it has changed."""

import asyncio
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import config, errors, runtime, signing
from lamina_core.domain import Kind, Operator, Role
from lamina_core.insights import health
from lamina_core.insights.probes import Probes
from lamina_core.polling.budget import Budget
from lamina_core.sandbox.server import Sandbox
from lamina_core.store import engine, leases, notes, polls
from lamina_core.store.engine import Engines
from lamina_core.store.leases import Lease
from lamina_core.store.tables import LeaseTable
from lamina_core.store.writer import Writer
from lamina_core.webhooks import receiver
from tests.conftest import SettableClock
from tests.contract.conftest import Received, Receiver
from tests.pages.conftest import ADA, APPS, Desk, Screen, plain, wait_until

APP = "Studio Product Shot"
START = "09:00:00 UTC"  # the settable clock's
MigrateTo = Callable[[Engines, str], None]


@pytest.fixture
def make_timed(tmp_path: Path, migrated: Path, clock: SettableClock) -> Iterator[Callable[..., Desk]]:
    """Desks whose time moves only when it is told to; one at a time."""
    made: list[runtime.Runtime] = []
    shutil.copy(migrated, tmp_path / "timed.db")

    def make(base_url: str, **changes: str) -> Desk:
        environment = {
            "LAMINA_API_KEY": "lma_test",
            "LAMINA_BASE_URL": base_url,
            "LAMINA_DATABASE_URL": f"sqlite:///{tmp_path / 'timed.db'}",
        }
        parts = runtime.build(config.load(environment | changes), clock)
        made.append(parts)
        runtime.set_current(parts)
        return Desk(parts, base_url)

    yield make
    for parts in made:
        parts.stop()
    runtime.set_current(None)


@pytest.fixture
def timed(make_timed: Callable[..., Desk], sandbox: Sandbox) -> Desk:
    """One of them, whose poller has done its first round at START."""
    made = make_timed(sandbox.base_url)
    made.step()
    return made


def read_lease(desk: Desk) -> Lease | None:
    with desk.parts.engines.reading() as connection:
        return leases.read(connection, leases.POLLER)


def fact(screen: Screen, name: str) -> str:
    """What System says under this name; "Lamina" stands twice, and how it answers comes first."""
    lines = [each.value for each in screen.at.markdown if each.value.startswith(f":gray[{name}]")]
    assert len(lines) == (2 if name == "Lamina" else 1), lines
    return plain(lines[0].removeprefix(f":gray[{name}]")).strip()


def number(screen: Screen, name: str) -> str:
    """What Overview counts under this name."""
    return next(metric.value for metric in screen.at.metric if metric.label == name)


def working(screen: Screen) -> str:
    """Overview's one line on whether results come."""
    (line,) = [each.value for each in screen.at.caption if each.value.startswith(("Poller", "Nobody"))]
    return str(line)


def notices(screen: Screen) -> list[str]:
    return [plain(element.value) for element in screen.at.warning]


def figures(desk: Desk) -> dict[str, float]:
    """What `/metrics` says, by name and labels."""
    return read_figures(desk.parts.probes)


def read_figures(probes: Probes) -> dict[str, float]:
    families = text_string_to_metric_families(probes.write_metrics().decode())
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = ",".join(sample.labels.values())
        found[sample.name.removeprefix("lamina_desk_") + (f"[{labels}]" if labels else "")] = sample.value
    return found


# The poller


def test_who_polls_is_told_with_the_age_of_its_last_sign_of_life(timed: Desk, clock: SettableClock):
    lease = read_lease(timed)
    assert lease is not None
    clock.advance(7)
    screen = timed.open("system")
    assert fact(screen, "State") == "polling"
    assert fact(screen, "Held by") == f"`{lease.holder}`, last sign of life 7 s ago"
    assert working(timed.open("overview")).startswith("Poller alive 7 s ago")
    assert notices(screen) == []
    timed.step()
    assert fact(screen.run(), "Held by").endswith("last sign of life now")
    assert figures(timed)["poller_heartbeat_age_seconds"] == 0


def test_a_holder_without_signs_of_life_is_called_not_alive_until_it_shows_one(timed: Desk, clock: SettableClock):
    clock.advance(11)  # the lease runs for 10 s
    screen = timed.open("system")
    assert fact(screen, "State") == "**not alive**"
    assert fact(screen, "Held by").endswith("last sign of life 11 s ago")
    assert notices(screen) == [
        "**Nobody polls**: the poller showed its last sign of life 11 s ago. See the System screen."
    ]
    assert "stale" in screen.text
    assert figures(timed)["poller_alive"] == 0
    timed.step()
    assert fact(screen.run(), "State") == "polling"
    assert notices(screen) == []


def test_a_lease_that_was_given_back_is_held_by_nobody(timed: Desk):
    timed.parts.poller.stop()
    screen = timed.open("system")
    assert (fact(screen, "State"), fact(screen, "Held by")) == ("**not alive**", "nobody")
    assert working(timed.open("overview")) == "Nobody polls yet."


def test_a_paused_poller_is_told_by_whom(timed: Desk):
    timed.parts.operations.pause_polling(Operator("Ada *Lovelace*", Role.ADMIN), paused=True)
    assert fact(timed.open("system"), "State") == "paused by Ada *Lovelace*"
    assert figures(timed)["polling_paused"] == 1
    assert "Resume it on the System screen." in notices(timed.open("overview"))[0]


def test_while_polling_is_paused_no_read_is_promised(timed: Desk):
    timed.keep("running", age=0)
    timed.parts.operations.pause_polling(ADA, paused=True)
    told = working(timed.open("overview"))
    assert "next read in" not in told
    assert "polling is paused" in told


# What is due


def test_what_is_due_is_counted_with_the_time_of_the_next_one(timed: Desk, clock: SettableClock):
    assert fact(timed.open("system"), "Due now") == "0 to be read, the next due at –"
    for _ in range(2):
        timed.keep("running", age=0)
    screen, overview = timed.open("system"), timed.open("overview")
    assert fact(screen, "In flight") == "2, of these late 0"
    assert fact(screen, "Due now") == "0 to be read, the next due at 2026-03-14 09:00:03 UTC"
    assert "next read in 3 s" in working(overview)
    assert figures(timed)["next_read_due_seconds"] == 3
    clock.advance(4)
    assert fact(screen.run(), "Due now") == "2 to be read, the next due at 2026-03-14 09:00:03 UTC"
    assert "2 reads due" in working(overview.run())
    assert (figures(timed)["reads_due"], figures(timed)["next_read_due_seconds"]) == (2, -1)


# The budget


def test_the_budget_says_what_was_spent_in_the_last_minute(timed: Desk, clock: SettableClock):
    before = timed.parts.budget.spent_last_minute()
    for app in list(APPS)[:3]:
        timed.parts.operations.open_app(APPS[app])
    assert fact(timed.open("system"), "Last minute") == f"{before + 3} of 100, by this process"
    assert number(timed.open("overview"), "Requests, last minute") == f"{before + 3} / 100"
    assert (figures(timed)["requests_last_minute"], figures(timed)["rate_limit_per_minute"]) == (before + 3, 100)
    clock.advance(61)
    assert fact(timed.open("system"), "Last minute") == "0 of 100, by this process"


def test_every_request_that_reached_lamina_is_counted(timed: Desk):
    timed.parts.operations.open_app(APPS[APP])
    asked = len(timed.log()["requests"])
    assert fact(timed.open("system"), "Last minute") == f"{asked} of 100, by this process"


def test_a_wait_that_lamina_asked_for_is_told_until_it_is_over(timed: Desk, clock: SettableClock):
    timed.arm("rate_limited", seconds=7, path="/api/apps/")
    with pytest.raises(errors.RateLimited):
        timed.parts.operations.open_app(APPS[APP])
    screen = timed.open("system")
    assert fact(screen, "Polls wait") == "7 s, as Lamina asked"
    assert figures(timed)["polls_held_seconds"] == 7
    clock.advance(3)
    assert fact(screen.run(), "Polls wait") == "4 s, as Lamina asked"
    clock.advance(4)
    assert fact(screen.run(), "Polls wait") == "no"


# Webhooks, and how soon ends are seen


@pytest.fixture
def catcher() -> Iterator[Receiver]:
    """Catches the sandbox's webhooks, so that a test hands them in at a time of its own."""
    running = Receiver()
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def hand_in(desk: Desk, caught: Received, **headers: str) -> int:
    """Send a caught webhook to the desk's own route, and return what that answers."""
    app = Starlette(routes=[Route(receiver.PATH, desk.parts.receiver.receive, methods=["POST"])])

    async def send() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:
            answer = await client.post(caught.path, content=caught.body, headers=caught.headers | headers)
            return answer.status_code

    return asyncio.run(send())


def read_end(desk: Desk, name: str) -> datetime:
    """Wait until Lamina has ended an execution, and return when that was by Lamina's own clock."""
    found: list[str] = []

    def look() -> bool:
        url = f"{desk.sandbox_url}/api/executions/{name}"
        found[:] = [httpx.get(url, headers={"x-api-key": "lma_test"}).json()["data"]["completedAt"]]
        return found != [None]

    wait_until(look)
    return datetime.fromisoformat(found[0])


@pytest.fixture
def webhook_desk(make_timed: Callable[..., Desk], sandbox: Sandbox, catcher: Receiver, clock: SettableClock) -> Desk:
    """A desk in the sandbox's own time whose webhooks wait in the catcher."""
    clock.instant = datetime.now(UTC)
    made = make_timed(sandbox.base_url, LAMINA_PUBLIC_URL=f"http://127.0.0.1:{catcher.server_address[1]}")
    made.step()
    return made


def end_by_webhook(desk: Desk, catcher: Receiver, clock: SettableClock, seconds: float) -> Received:
    """Let an execution end, and hand its webhook in so many seconds later."""
    before = len(catcher.received)
    row_id = desk.start(APP)
    wait_until(lambda: len(catcher.received) > before)
    clock.instant = read_end(desk, str(desk.row(row_id).execution_id)) + timedelta(seconds=seconds)
    assert hand_in(desk, catcher.received[-1]) == 200
    assert desk.row(row_id).status == "completed"
    return catcher.received[-1]


def end_by_poll(desk: Desk, clock: SettableClock, seconds: float) -> None:
    row_id = desk.start(APP)
    clock.instant = read_end(desk, str(desk.row(row_id).execution_id)) + timedelta(seconds=seconds)
    desk.refresh(row_id)
    assert desk.row(row_id).status == "completed"


def test_how_soon_ends_are_seen_is_told_by_the_way_in_which_they_came(
    webhook_desk: Desk, catcher: Receiver, clock: SettableClock
):
    desk = webhook_desk
    screen, overview = desk.open("system"), desk.open("overview")
    assert (fact(screen, "By webhook"), fact(screen, "By poll")) == ("nothing yet", "nothing yet")
    assert "tell an end" not in working(overview)
    for seconds in (1.0, 3.0, 2.0):
        end_by_webhook(desk, catcher, clock, seconds)
    for seconds in (4.0, 8.5):
        end_by_poll(desk, clock, seconds)
    screen.run()
    assert fact(screen, "By webhook") == "median 2 s, 95 % within 3 s, last 3"
    assert fact(screen, "By poll") == "median 6.2 s, 95 % within 8.5 s, last 2"
    told = working(overview.run())
    assert "webhooks tell an end after 2 s (median of the last 3)" in told
    assert "polls tell an end after 6.2 s (median of the last 2)" in told
    found = figures(desk)
    assert found["detection_latency_seconds[delivery,0.5]"] == pytest.approx(2, abs=0.002)
    assert found["detection_latency_seconds[poll,0.95]"] == pytest.approx(8.5, abs=0.002)


def test_the_same_end_told_again_counts_once(webhook_desk: Desk, catcher: Receiver, clock: SettableClock):
    caught = end_by_webhook(webhook_desk, catcher, clock, 2.0)
    clock.advance(100)
    assert hand_in(webhook_desk, caught) == 200
    webhook_desk.refresh(webhook_desk.newest())
    screen = webhook_desk.open("system")
    assert fact(screen, "By webhook") == "median 2 s, 95 % within 2 s, last 1"
    assert fact(screen, "By poll") == "nothing yet"


def test_the_last_webhook_and_what_became_of_the_day_s_are_told(
    webhook_desk: Desk, catcher: Receiver, clock: SettableClock
):
    screen, overview = webhook_desk.open("system"), webhook_desk.open("overview")
    assert fact(screen, "Last accepted") == "none yet"
    assert number(overview, "Last webhook") == "never"
    caught = end_by_webhook(webhook_desk, catcher, clock, 2.0)
    came = clock.now()
    clock.advance(5)
    assert hand_in(webhook_desk, caught, **{signing.SIGNATURE_HEADER.lower(): "0" * 128}) == 401
    screen.run()
    assert fact(screen, "Last accepted") == f"{came:%Y-%m-%d %H:%M:%S} UTC"
    assert fact(screen, "Last 24 h") == "1 accepted, 1 rejected, 0 unchecked"
    assert fact(screen, "Key set").startswith("read ")
    assert number(overview.run(), "Last webhook") == "5 s ago", "a refused one is no sign that webhooks work"
    assert figures(webhook_desk)["deliveries_last_day[rejected]"] == 1
    assert figures(webhook_desk)["last_delivery_timestamp_seconds"] == pytest.approx(came.timestamp(), abs=0.001)
    clock.advance(86_401)
    assert fact(screen.run(), "Last 24 h") == "0 accepted, 0 rejected, 0 unchecked"


# The store


def pragma(desk: Desk, statement: str) -> None:
    """Set the writer's own connection, which lies idle in its pool."""
    connection = desk.parts.engines.write.raw_connection()
    connection.driver_connection.execute(f"PRAGMA {statement}")
    connection.close()


def write_much(desk: Desk) -> None:
    """Write more than a database without room has place for."""
    document, now = {"text": "x" * 2_000_000}, desk.parts.clock.now()
    desk.parts.writer.run(lambda connection: notes.write(connection, "much", document, now))


TROUBLES = {
    "read-only": ("query_only=ON", "query_only=OFF", "The database file cannot be written. Check its permissions."),
    "full": ("max_page_count=1", "max_page_count=1000000", "The disk of the database is full. Make room;"),
}


@pytest.mark.parametrize(("broken", "mended", "words"), TROUBLES.values(), ids=TROUBLES)
def test_a_store_that_takes_no_writes_is_told_with_its_time_until_it_does_again(
    timed: Desk, clock: SettableClock, broken: str, mended: str, words: str
):
    row_id = timed.keep("failed", error="kept before")
    screen = timed.open("system")
    assert fact(screen, "Writes") == "fine"
    pragma(timed, broken)
    for _ in range(2):  # the second failure is the same trouble, which began with the first
        with pytest.raises(errors.StoreError):
            write_much(timed)
        clock.advance(5)
    assert fact(screen.run(), "Writes").startswith(f"**failing since {START}**: {words}")
    assert "kept before" in timed.open("execution", id=str(row_id)).text, "what was stored is there to be read"
    for name in ("overview", "executions", "start"):
        (notice, *_) = notices(timed.open(name))
        assert notice.startswith(f"**Nothing can be stored since {START}**: {words}"), name
    assert figures(timed)["store_trouble"] == 1
    assert words in timed.parts.probes.check_ready()["database"]
    pragma(timed, mended)
    timed.step()  # its sign of life is a write
    assert fact(screen.run(), "Writes") == "fine"
    assert notices(screen) == []
    assert figures(timed)["store_trouble"] == 0
    assert timed.parts.probes.check_ready() == {}


def test_a_database_that_takes_no_writes_refuses_what_an_operator_does_and_says_so(timed: Desk):
    pragma(timed, "query_only=ON")
    screen = timed.open("system").press("Pause polling").expect_no_traceback()
    assert "The database file cannot be written. Check its permissions." in screen.errors
    assert "Polling was paused" not in screen.text
    pragma(timed, "query_only=OFF")
    screen.press("Pause polling")
    assert any("Polling was paused" in notice for notice in notices(screen))


# Lamina away


def test_a_lamina_that_cannot_be_reached_is_told_with_the_time_of_the_next_try(
    make_timed: Callable[..., Desk], own_sandbox: Sandbox, clock: SettableClock
):
    desk = make_timed(own_sandbox.base_url)
    desk.step()
    screen, overview = desk.open("system"), desk.open("overview")
    assert fact(screen, "Lamina") == "answers"
    own_sandbox.stop()
    clock.advance(300)  # when the list of apps is read again
    desk.step()
    told = fact(screen.run(), "Lamina")
    assert told.startswith("**unreachable since 09:05:00 UTC**: Lamina could not be reached: ")
    assert told.endswith(" Next try at 09:05:02 UTC.")
    (notice,) = notices(overview.run())
    assert notice.startswith("**Lamina cannot be reached since 09:05:00 UTC**")
    assert notice.endswith("Next try at 09:05:02 UTC.")
    assert figures(desk)["lamina_state[unreachable]"] == 1
    assert desk.parts.probes.check_ready() == {}, "a process that cannot reach Lamina is ready all the same"
    clock.instant = clock.instant.replace(hour=9, minute=6, second=0, microsecond=0)
    desk.step()
    assert fact(screen.run(), "Lamina").endswith(" Next try at 09:06:04 UTC."), "later each time"
    assert "since 09:05:00 UTC" in fact(screen, "Lamina")
    own_sandbox.start()
    clock.advance(60)
    desk.step()
    desk.settle()
    assert fact(screen.run(), "Lamina") == "answers"
    assert notices(overview.run()) == []
    assert figures(desk)["lamina_state[ok]"] == 1


# How often apps are polled


def kinds(desk: Desk) -> dict[str, Kind]:
    with desk.parts.engines.reading() as connection:
        return polls.set_kinds(connection)


def choose(screen: Screen, app: str, kind: Kind | None) -> Screen:
    screen.widget("selectbox", "App").set_value(APPS[app])
    screen.run().widget("selectbox", "Its executions are").select_index([None, *Kind].index(kind))
    return screen.run().expect_no_traceback()


def test_an_app_s_kind_is_set_and_given_back_to_what_is_learned(desk: Desk):
    row_id, other = desk.start(APP), desk.start("Golden Hour Relight")
    screen = choose(desk.open("system"), APP, Kind.VIDEO)
    assert kinds(desk) == {APPS[APP]: Kind.VIDEO}
    assert "Taken for a long video job: read 10 s apart at the least." in screen.text
    assert screen.widget("selectbox", "Its executions are").value == Kind.VIDEO
    assert (desk.row(row_id).kind, desk.row(other).kind) == (Kind.VIDEO, Kind.IMAGE), "those in flight too"
    assert desk.row(desk.start(APP)).kind is Kind.VIDEO
    screen = choose(screen, APP, None)
    assert kinds(desk) == {}
    assert "Taken for a short image job: read 3 s apart at the least." in screen.text


def test_every_kind_names_the_shortest_interval_of_the_guide(desk: Desk):
    screen = desk.open("system")
    for kind, seconds in ((Kind.IMAGE, 3), (Kind.MULTI_STEP, 5), (Kind.VIDEO, 10)):
        assert f": read {seconds} s apart at the least." in choose(screen, APP, kind).text


def test_how_long_an_app_took_is_told_from_what_has_ended(desk: Desk):
    for _ in range(2):
        desk.finish(desk.start(APP))
    screen = desk.open("system")
    screen.widget("selectbox", "App").set_value(APPS[APP])
    (told,) = [each.value for each in screen.run().at.caption if each.value.startswith("Taken for")]
    assert re.search(r" The last 2 took [0-9.]+ s \(median\)\.$", told), told


def test_a_kind_that_a_colleague_has_set_is_shown_and_not_overwritten_by_an_open_screen(desk: Desk):
    screen = choose(desk.open("system"), APP, Kind.VIDEO)
    desk.parts.operations.set_kind(ADA, APPS[APP], Kind.IMAGE)
    screen.run().run()
    assert kinds(desk) == {APPS[APP]: Kind.IMAGE}
    assert screen.widget("selectbox", "Its executions are").value == Kind.IMAGE


def test_a_viewer_sets_no_kind_and_is_told_why(desk: Desk, as_viewer: None):
    screen = choose(desk.open("system"), APP, Kind.VIDEO)
    assert "Vera is a viewer; this needs the role operator." in screen.errors
    assert kinds(desk) == {}
    with pytest.raises(errors.OperationRefused, match="needs the role operator"):
        desk.parts.operations.set_kind(Operator("Vera", Role.VIEWER), APPS[APP], Kind.VIDEO)


# The probes, on either database


@pytest.fixture
def probes(engines: Engines, writer: Writer, clock: SettableClock) -> Probes:
    return Probes(engines, writer, Budget(100, clock), clock)


def hold_lease(writer: Writer, now: datetime) -> None:
    """Hold the poller's lease from an instant on: PostgreSQL's own clock cannot be set."""
    row = {"name": leases.POLLER, "holder": "a", "heartbeat_at": now, "expires_at": now + leases.TERM}
    writer.run(lambda connection: connection.execute(sa.insert(LeaseTable).values(**row)).close())


@pytest.fixture
def migrate_to() -> MigrateTo:
    """Make an empty database of an older version, as that version's code left it."""

    def migrate(engines: Engines, version: str) -> None:
        alembic = Config()
        alembic.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
        with engines.write.begin() as connection:
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, version)

    return migrate


def test_with_a_database_of_this_version_and_a_live_poller_it_is_ready(
    probes: Probes, writer: Writer, clock: SettableClock
):
    hold_lease(writer, clock.now())
    assert probes.check_ready() == {}
    clock.advance(9)
    assert probes.check_ready() == {}


def test_without_a_live_poller_it_is_not_ready(probes: Probes, writer: Writer, clock: SettableClock):
    told = {"poller": "No process holds the poller's lease."}
    assert probes.check_ready() == told
    hold_lease(writer, clock.now())
    clock.advance(11)
    assert probes.check_ready() == told
    assert read_figures(probes)["poller_alive"] == 0


def take_away(engines: Engines, folder: Path) -> None:
    """Make the database unreachable: its folder gone, or dropped with every connection cut."""
    if engines.read.dialect.name == "sqlite":
        engines.read.dispose()  # as a process that begins now would find it
        (folder / "desk.db").rename(folder / "elsewhere.db")
        (folder / "desk.db").mkdir()
        return
    admin = sa.create_engine(engines.read.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{engines.read.url.database}" WITH (FORCE)')
    admin.dispose()


def test_with_its_database_away_it_is_not_ready_and_has_no_figures(
    probes: Probes, engines: Engines, writer: Writer, clock: SettableClock, tmp_path: Path
):
    hold_lease(writer, clock.now())
    take_away(engines, tmp_path)
    assert list(probes.check_ready()) == ["database"]
    assert probes.check_ready()["database"].startswith("The database cannot be read: ")
    with pytest.raises(errors.StoreError, match="cannot be read"):
        probes.write_metrics()


def test_an_older_database_is_not_ready_and_names_both_versions(
    tmp_path: Path, clock: SettableClock, migrate_to: MigrateTo
):
    opened = engine.open_engines(f"sqlite:///{tmp_path / 'older.db'}")
    migrate_to(opened, "0001")
    older = Probes(opened, Writer(opened.write, clock), Budget(100, clock), clock)
    told = older.check_ready()["migrations"]
    assert re.fullmatch(r"The database is at version 0001, this code needs \d{4}\.", told)
    engine.migrate(opened.write)
    assert "migrations" not in older.check_ready()
    opened.close()


def test_a_database_without_tables_is_not_ready(tmp_path: Path, clock: SettableClock):
    opened = engine.open_engines(f"sqlite:///{tmp_path / 'empty.db'}")
    empty = Probes(opened, Writer(opened.write, clock), Budget(100, clock), clock)
    assert "no such table" in empty.check_ready()["database"]
    opened.close()


def test_the_figures_are_those_of_the_screens(timed: Desk, clock: SettableClock):
    timed.keep("running", age=0)
    timed.keep("running", age=2 * 86_400)
    clock.advance(4)
    state, found = health.read_health(timed.parts.engines, clock.now()), figures(timed)
    assert found["executions_in_flight"] == state.in_flight == 2
    assert found["executions_late"] == state.late == 1
    assert found["reads_due"] == state.due == 2
    assert found["poller_heartbeat_age_seconds"] == 4
    assert found["writer_backlog"] == 0
    assert "last_delivery_timestamp_seconds" not in found, "what has never been has no figure"
