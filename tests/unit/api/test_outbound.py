"""Links that Lamina names are checked in the background, and nobody is contacted who should not be."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lamina_core.api.outbound import LinkChecker, LinkState

OPENS = LinkState(True)


class Media(ThreadingHTTPServer):
    """Serves /<status>/... with that status, and notes every request; answers wait while `hold` is cleared."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.hold = threading.Event()
        self.hold.set()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Media

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.server.hold.wait(60)
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url("/200/elsewhere"))
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def media() -> Iterator[Media]:
    server = Media()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_checker(clock) -> Iterator[Callable[[str | None], LinkChecker]]:
    opened: list[LinkChecker] = []

    def make(trusted_host: str | None) -> LinkChecker:
        opened.append(LinkChecker(trusted_host, clock))
        return opened[-1]

    yield make
    for checker in opened:
        checker.close()


@pytest.fixture
def checker(open_checker, media) -> LinkChecker:
    return open_checker(media.url("").removeprefix("http://"))


def settled(checker: LinkChecker, url: str) -> LinkState:
    """Ask for a link again and again until something is known of it."""
    deadline = time.monotonic() + 30
    while (state := checker.state(url)) == LinkState(None):
        assert time.monotonic() < deadline, f"{url} is not settled"
        time.sleep(0.002)
    return state


@pytest.mark.parametrize("status", [200, 204, 206])
def test_a_link_that_is_answered_opens(checker, media, status):
    assert settled(checker, media.url(f"/{status}/picture.png")) == OPENS


@pytest.mark.parametrize("status", [401, 403, 404, 410, 416, 500, 503])
def test_a_link_that_is_refused_does_not_open_and_says_why(checker, media, status):
    assert settled(checker, media.url(f"/{status}/picture.png")) == LinkState(False, f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed_and_nothing_is_claimed(checker, media, status):
    assert settled(checker, media.url(f"/{status}/a")) == LinkState(None, "leads elsewhere, not followed")
    assert [path for path, _ in media.asked] == [f"/{status}/a"]


def test_a_refused_connection_does_not_open(checker, media):
    url = media.url("/200/a")
    media.shutdown()
    media.server_close()
    state = settled(checker, url)
    assert state.opens is False
    assert "refused" in state.reason


def test_nothing_is_known_while_the_check_is_under_way(checker, media):
    media.hold.clear()
    assert checker.state(media.url("/200/a")) == LinkState(None)
    media.hold.set()
    assert settled(checker, media.url("/200/a")) == OPENS


def test_one_byte_is_asked_for_and_no_key_goes_along(checker, media):
    settled(checker, media.url("/200/a?signature=b%2Fc"))
    ((path, headers),) = media.asked
    assert path == "/200/a?signature=b%2Fc"
    assert headers["range"] == "bytes=0-0"
    assert headers.keys() & {"x-api-key", "authorization", "cookie"} == set()


@pytest.mark.parametrize("trusted_host", ["lamina.example.com", None, "localhost", "127.0.0.2", "127.0.0"])
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "user@127.0.0.1", "0.0.0.0", "127。0。0。1"])
def test_a_private_address_is_not_contacted(open_checker, media, trusted_host, host):
    state = settled(open_checker(trusted_host), media.url("/200/a", host))
    assert state == LinkState(None, "not a public address, not checked")
    assert media.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fd00::1]",
    ],
)
def test_no_kind_of_private_address_is_contacted(open_checker, host):
    state = settled(open_checker("lamina.example.com"), f"http://{host}/latest/meta-data")
    assert state == LinkState(None, "not a public address, not checked")


def test_a_name_of_this_machine_is_private_too(open_checker, media):
    state = settled(open_checker("127.0.0.1"), media.url("/200/a", "localhost"))
    assert state == LinkState(None, "not a public address, not checked")
    assert media.asked == []


def test_the_trusted_host_is_contacted_however_it_is_written(open_checker, media):
    trusted = media.url("", "localhost").removeprefix("http://")
    assert settled(open_checker(trusted), media.url("/200/a", "LOCALHOST")) == OPENS


def test_another_port_of_the_trusted_host_is_private(open_checker, media):
    state = settled(open_checker("127.0.0.1:1"), media.url("/200/a"))
    assert state == LinkState(None, "not a public address, not checked")
    assert media.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.png",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "//127.0.0.1/a",
        "http://",
    ],
)
def test_what_is_no_http_link_is_not_checked(checker, url):
    assert settled(checker, url) == LinkState(None, "not an http(s) link")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://" + "a" * 64 + ".example.com/",
        "http://a..example.com/",
        "http://127.0.0.1/\x00",
        "http://127.0.0.1/\ud800",
        "http://\ud800/",
        "http://127.0.0.1/" + "x" * 70_000,
    ],
    ids=["bracket", "large port", "no port", "long label", "empty label", "nul", "surrogate", "surrogate host", "long"],
)
def test_a_link_that_is_no_url_does_not_open(checker, url):
    state = settled(checker, url)
    assert not state.opens
    assert state.reason


def test_an_answer_is_remembered_for_a_while_and_then_asked_for_again(checker, media, clock):
    url = media.url("/200/a")
    settled(checker, url)
    clock.advance(299)
    assert checker.state(url) == OPENS
    assert len(media.asked) == 1
    clock.advance(2)
    assert checker.state(url) == OPENS  # what is known, until more is
    deadline = time.monotonic() + 30
    while len(media.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert len(media.asked) == 2


def test_a_link_that_closes_later_is_found_closed(checker, media, clock):
    url = media.url("/200/a")
    assert settled(checker, url) == OPENS
    media.shutdown()
    media.server_close()
    clock.advance(301)
    deadline = time.monotonic() + 30
    while checker.state(url) == OPENS:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert checker.state(url).opens is False


def test_a_link_is_checked_once_however_often_it_is_asked_for(checker, media, clock):
    url = media.url("/200/a")
    media.hold.clear()
    with_threads = [threading.Thread(target=lambda: [checker.state(url) for _ in range(50)]) for _ in range(8)]
    for thread in with_threads:
        thread.start()
    for thread in with_threads:
        thread.join()
    clock.advance(1_000)  # a check that takes long is not begun a second time
    checker.state(url)
    media.hold.set()
    assert settled(checker, url) == OPENS
    assert len(media.asked) == 1


def test_old_answers_are_forgotten_so_that_memory_is_bounded(checker, media):
    url = media.url("/200/a")
    settled(checker, url)
    for first in range(0, 2_000, 80):  # fewer at a time than may wait
        batch = [f"no-link-{number}" for number in range(first, first + 80)]
        for other in batch:
            checker.state(other)
        assert {settled(checker, other) for other in batch} == {LinkState(None, "not an http(s) link")}
    assert checker.state(url) == LinkState(None)
    assert settled(checker, url) == OPENS
    assert len(media.asked) == 2


def test_a_flood_of_links_waits_in_a_short_queue(checker, media):
    media.hold.clear()
    urls = [media.url(f"/200/{number}") for number in range(1_000)]
    for url in urls:
        assert checker.state(url) == LinkState(None)
    media.hold.set()
    assert settled(checker, urls[0]) == OPENS
    assert settled(checker, media.url("/200/last")) == OPENS
    assert len(media.asked) <= 101
    assert {settled(checker, url) for url in urls[:150]} == {OPENS}


def test_closing_does_not_wait_for_a_link_that_hangs(open_checker, media):
    media.hold.clear()
    checker = open_checker("127.0.0.1")
    for number in range(10):
        checker.state(media.url(f"/200/{number}"))
    began = time.monotonic()
    checker.close()
    assert time.monotonic() - began < 10, "the link would hang for a minute"
