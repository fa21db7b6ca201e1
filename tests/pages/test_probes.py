"""The figures of the System screen, as people read them and as machines do."""

from lamina_core.domain import Kind
from lamina_core.store import polls
from tests.pages.conftest import Desk

SHOT = "Studio Product Shot"


def test_the_system_screen_tells_how_soon_ends_are_seen_and_takes_a_kind(desk: Desk):
    desk.step()
    desk.finish(desk.start(SHOT))
    screen = desk.open("system").expect_no_traceback()
    assert "By poll" in screen.text
    assert "median" in screen.text
    assert "nothing yet" in screen.text, "by webhook"
    screen.widget("selectbox", "Its executions are").set_value(Kind.VIDEO)
    screen.run().expect_no_traceback()
    assert "Taken for a long video job" in screen.text
    screen.widget("selectbox", "Its executions are").set_value("")
    screen.run().expect_no_traceback()
    with desk.parts.engines.reading() as connection:
        assert polls.set_kinds(connection) == {}


def test_the_overview_says_in_one_line_whether_results_come(desk: Desk):
    desk.step()
    desk.finish(desk.start(SHOT))
    text = desk.open("overview").expect_no_traceback().text
    assert "Poller alive" in text
    assert "polls tell an end after" in text


def test_readiness_names_what_is_missing(desk: Desk):
    probes, writer = desk.parts.probes, desk.parts.writer
    writer.run(lambda connection: connection.exec_driver_sql("DELETE FROM lease"))
    assert probes.check_ready() == {"poller": "No process holds the poller's lease."}
    desk.parts.poller._duty._heartbeat_at = None  # a few seconds have passed
    desk.step()
    assert probes.check_ready() == {}
    writer.run(lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'"))
    assert "0001" in probes.check_ready()["migrations"]


def test_the_metrics_are_the_figures_of_the_screen(desk: Desk):
    desk.step()
    desk.finish(desk.start(SHOT))
    text = desk.parts.probes.write_metrics().decode()
    for line in ("poller_alive 1.0", "executions_in_flight 0.0", "store_trouble 0.0", 'lamina_state{state="ok"} 1.0'):
        assert f"lamina_desk_{line}" in text
    assert 'lamina_desk_detection_latency_seconds{path="poll",quantile="0.5"}' in text
