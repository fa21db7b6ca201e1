"""A POST to a receiver that does what it likes: one request, 15 s in all, a bounded answer, never an exception."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lamina_core.addresses import Address
from lamina_core.api import sending
from lamina_core.api.sending import EXCERPT, post
from lamina_core.clock import SystemClock

HEADERS = (("Content-Type", "application/json"), ("X-Lamina-Webhook-Timestamp", "1773478800"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"


class Receiver:
    """A server on this machine that keeps what it is sent and then does what a test says, by hand."""

    def __init__(self, answer: Callable[[socket.socket, threading.Event], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.requests: list[bytes] = []
        self.cut_off = threading.Event()  # the other side has hung up
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> Address:
        return Address("http", "127.0.0.1", self._listener.getsockname()[1], "/hook", "token=s3cret")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_read_request(connection))
                try:
                    self._answer(connection, self._over)
                except OSError:
                    self.cut_off.set()

    def stop(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)


def _read_request(connection: socket.socket) -> bytes:
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += connection.recv(65_536)
    head, _, body = taken.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def saying(answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    return lambda connection, over: connection.sendall(answer)


def dripping(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Begin with this, and go on with a byte now and then for ever."""

    def drip(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(0.02):
            connection.sendall(b"x")

    return drip


def stalling(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Begin with this, and say nothing more."""

    def stall(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        over.wait(20)

    return stall


@pytest.fixture
def open_receiver() -> Iterator[Callable[..., Receiver]]:
    opened: list[Receiver] = []

    def make(answer) -> Receiver:
        opened.append(Receiver(answer))
        return opened[-1]

    yield make
    for each in opened:
        each.stop()


def send(receiver: Receiver, body: bytes = b'{"data":1}'):
    return post(receiver.address, HEADERS, body, SystemClock())


def test_the_bytes_and_headers_are_sent_as_they_are_and_the_answer_comes_back(open_receiver):
    receiver = open_receiver(saying(b"HTTP/1.1 401 No\r\nX-Why: not ours\r\nContent-Length: 5\r\n\r\nwrong"))
    body = b'{"a": "\xc3\xa9\x00"}\r\n'
    answer = send(receiver, body)
    assert (answer.status, answer.body, answer.is_cut, answer.problem) == (401, "wrong", False, None)
    assert ("x-why", "not ours") in {(name.lower(), value) for name, value in answer.headers}
    assert answer.seconds > 0
    (request,) = receiver.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?token=s3cret HTTP/1.1\r\n")
    assert b"\r\nX-Lamina-Webhook-Timestamp: 1773478800\r\n" in head
    assert b"\r\nAccept-Encoding: identity" in head
    assert sent == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_shown_and_not_followed(open_receiver, status):
    elsewhere = open_receiver(saying(OK + b"hello world"))
    location = elsewhere.address.url.encode()
    receiver = open_receiver(
        saying(b"HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location))
    )
    answer = send(receiver)
    assert (answer.status, answer.problem) == (status, None)
    assert ("location", location.decode()) in {(name.lower(), value) for name, value in answer.headers}
    assert (len(receiver.requests), elsewhere.requests) == (1, [])


def test_the_machine_s_proxy_is_not_asked(open_receiver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(open_receiver(saying(OK + b"hello world"))).status == 200


@pytest.mark.parametrize("more", [0, 1, 5_000_000])
def test_ten_kilobytes_of_the_answer_are_read_and_no_more(open_receiver, more):
    length = EXCERPT + more
    receiver = open_receiver(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"y" * length))
    answer = send(receiver)
    assert (answer.body, answer.is_cut, answer.problem) == ("y" * EXCERPT, more > 0, None)


def test_an_answer_without_end_is_left_at_ten_kilobytes(open_receiver):
    def pour(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b"z" * 65_536)

    receiver = open_receiver(pour)
    answer = send(receiver)
    assert (len(answer.body), answer.is_cut, answer.problem) == (EXCERPT, True, None)
    assert receiver.cut_off.wait(20), "the connection is given up"


def test_a_compressed_answer_is_not_unpacked(open_receiver):
    packed = gzip.compress(b"0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    answer = send(open_receiver(saying(head + packed)))
    assert (answer.status, answer.is_cut) == (200, True)
    assert "000" not in answer.body


@pytest.mark.parametrize(
    ("way", "start", "status", "words"),
    [
        (dripping, b"HTTP/1.1 200 OK\r\n\r\nbegun", 200, "did not end within"),
        (dripping, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nbegun", 200, "did not end within"),
        (stalling, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", 200, "did not end within"),
        (dripping, b"HTTP/1.1 200 OK\r\nX-Slow: ", None, "No answer came within"),
        (dripping, b"", None, "No answer came within"),
        (stalling, b"", None, "No answer came within"),
    ],
    ids=["body", "body of a length", "chunks", "headers", "first line", "silence"],
)
def test_an_answer_that_drips_ends_at_the_deadline(open_receiver, monkeypatch, way, start, status, words):
    monkeypatch.setattr(sending, "TIMEOUT", 0.5)
    answer = send(open_receiver(way(start)))
    assert answer.status == status
    assert words in answer.problem
    assert answer.body.startswith("begun" if status else "")


def test_a_receiver_that_takes_nothing_ends_at_the_deadline(monkeypatch):
    monkeypatch.setattr(sending, "TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = Address("http", "127.0.0.1", mute.getsockname()[1])
        answer = post(address, HEADERS, b"x" * 20_000_000, SystemClock())
    assert answer.status is None
    assert "No answer came within" in answer.problem


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000,
        b"\xff" * 200_000,
    ],
    ids=["nothing", "another protocol", "no status", "bad length", "endless header", "noise"],
)
def test_what_is_no_answer_is_told_in_few_words(open_receiver, said):
    answer = send(open_receiver(saying(said)))
    assert answer.status is None
    assert 10 < len(answer.problem) < 500
    assert "s3cret" not in answer.problem


def test_a_body_that_breaks_off_keeps_its_status_and_says_so(open_receiver):
    answer = send(open_receiver(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")))
    assert (answer.status, answer.body) == (200, "half")
    assert "broke off" in answer.problem


def test_many_and_long_headers_are_cut_to_size(open_receiver):
    many = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 20) for number in range(300))
    answer = send(open_receiver(saying(b"HTTP/1.1 200 OK\r\nX-Long: " + b"w" * 5_000 + b"\r\n" + many + b"\r\n")))
    assert len(answer.headers) == 100
    assert max(len(value) for _, value in answer.headers) == 1_000


@pytest.mark.parametrize(
    "address",
    [
        Address("http", "127.0.0.1", 1, "/a", "q=s3cret"),
        Address("https", "no-such-host.invalid", 443, "/a", "q=s3cret"),
    ],
    ids=["refused", "unknown"],
)
def test_a_receiver_that_is_not_there_is_told_without_the_query(address):
    answer = post(address, HEADERS, b"{}", SystemClock())
    assert (answer.status, answer.headers, answer.body) == (None, (), "")
    assert answer.problem.startswith(f"{address.place} cannot be reached: ")
    assert "s3cret" not in answer.problem


def test_a_receiver_without_tls_is_told():
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_answer_plainly, args=(plain,), daemon=True).start()
        answer = post(Address("https", "127.0.0.1", plain.getsockname()[1]), HEADERS, b"{}", SystemClock())
    assert answer.status is None
    assert "cannot be reached" in answer.problem


def _answer_plainly(plain: socket.socket) -> None:
    connection, _ = plain.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
