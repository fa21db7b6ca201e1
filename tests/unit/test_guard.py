"""Only this machine gets in, however the request is dressed."""

import asyncio

import pytest

from lamina_core.guard import Guard, is_local

LOCAL = ("127.0.0.1", 50_000)
SERVER = ("127.0.0.1", 8501)
MACHINES = ["/webhooks/lamina", "/api/executions", "/healthz"]


def scope(kind="http", path="/", *, host="localhost:8501", client=LOCAL, server=SERVER, headers=()):
    hosts = [host] if isinstance(host, str) else list(host)
    named = [(b"host", each.encode("latin-1")) for each in hosts]
    return {"type": kind, "path": path, "client": client, "server": server, "headers": [*named, *headers]}


class Inner:
    """The application behind the guard."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope, receive, send) -> None:
        self.reached += 1


def ask(asked) -> tuple[bool, list[dict], list[str]]:
    inner, learned, sent = Inner(), [], []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(inner, learned.append)(asked, receive, send))
    return bool(inner.reached), sent, learned


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8501",
        "LocalHost:8501",
        "127.0.0.1",
        "127.0.0.1:8501",
        "127.8.9.10:1",
        "[::1]",
        "[::1]:8501",
        "localhost:",
        "localhost:65535",
    ],
)
def test_this_machine_gets_in_by_every_name_of_its_own(host):
    assert is_local(scope(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "example.com:8501",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "localhost@example.com",
        "127.0.0.1:80@example.com",
        "127.0.0.1:80:80",
        "localhost:port",
        "localhost:999999",
        "[::1].example.com",
        "[::1]example.com:8501",
        "[::1",
        "::1]:8501",
        "[localhost]",
        "[example.com]",
        "0.0.0.0",
        "192.168.0.1",
        "10.0.0.1:8501",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "2130706433",
        "127.1",
        "localhost,example.com",
        "localhost\xa0",
        " localhost",
    ],
)
def test_any_other_host_stays_out(host):
    assert not is_local(scope(host=host))


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "example.com"]])
def test_there_must_be_exactly_one_host(hosts):
    assert not is_local(scope(host=hosts))


@pytest.mark.parametrize(
    "name",
    [
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-anything",
    ],
)
@pytest.mark.parametrize("value", [b"127.0.0.1", b"", b"for=localhost"])
def test_what_was_relayed_stays_out_whatever_it_says(name, value):
    assert not is_local(scope(headers=[(name, value)]))


@pytest.mark.parametrize("away", [("192.168.0.5", 5), ("::ffff:10.0.0.1", 5), ("8.8.8.8", 5), ("", 0), None])
def test_both_ends_of_the_socket_must_be_on_this_machine(away):
    assert not is_local(scope(client=away))
    assert not is_local(scope(server=away))


@pytest.mark.parametrize("end", ["/run/desk.sock", "testclient"])
def test_ends_without_an_address_stay_out(end):
    assert not is_local(scope(client=(end, 0)))
    assert not is_local(scope(server=(end, None)))


def test_ipv6_ends_get_in():
    assert is_local(scope(client=("::1", 5, 0, 0), server=("::1", 8501, 0, 0), host="[::1]:8501"))


@pytest.mark.parametrize("path", ["/", "/start", "/_stcore/health", "/operator", "/healthz/", "//healthz", "/HEALTHZ"])
def test_a_stranger_is_answered_403_at_the_people_s_paths(path):
    reached, sent, learned = ask(scope(path=path, host="desk.example.com"))
    assert (reached, sent[0]["status"], learned) == (False, 403, [])
    assert b"SSH tunnel" in sent[1]["body"]


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize("client", [LOCAL, ("203.0.113.7", 5), None])
def test_a_stranger_is_let_through_to_the_machines_paths_and_teaches_nothing(path, client):
    reached, sent, learned = ask(scope(path=path, host="desk.example.com", client=client))
    assert (reached, sent, learned) == (True, [], [])


@pytest.mark.parametrize("path", ["/_stcore/stream", *MACHINES])
def test_a_stranger_s_websocket_is_refused_everywhere(path):
    reached, sent, _ = ask(scope("websocket", path, host="desk.example.com"))
    assert (reached, sent) == (False, [{"type": "websocket.close", "code": 1008}])


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("server", "learned"),
    [(SERVER, "http://127.0.0.1:8501"), (("::1", 8502, 0, 0), "http://[::1]:8502")],
)
def test_a_local_request_is_passed_on_and_tells_our_address(kind, server, learned):
    assert ask(scope(kind, server=server)) == (True, [], [learned])


def test_the_process_s_own_start_and_stop_pass():
    assert ask({"type": "lifespan"}) == (True, [], [])
