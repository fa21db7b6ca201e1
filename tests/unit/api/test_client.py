"""Whatever comes back, or does not, the client raises errors of its own tree, and never tells the key."""

import gzip
import itertools
import json
import logging
import traceback

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from lamina_core import errors
from lamina_core.api import transport
from lamina_core.api.client import Estimate
from lamina_core.config import Secret
from lamina_core.domain import Generation, Status

KEY = "lma_unit_0123456789"

CALLS = {
    "list_apps": lambda client: client.list_apps(),
    "get_app": lambda client: client.get_app("app-1"),
    "start": lambda client: client.start("app-1", {"Prompt": "a fox"}),
    "get": lambda client: client.get("e-1"),
    "list": lambda client: client.list(),
    "cancel": lambda client: client.cancel("e-1"),
    "estimate": lambda client: client.estimate("app-1"),
    "usage": lambda client: client.usage(),
    "signing_key": lambda client: client.signing_key(),
}

texts = some.text(some.characters(), max_size=8)
scalars = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | texts
values = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("data", "error", "code", "retryable", "requestId", "retryAfter", "details", "keys", "pagination", "total"),
    *("executionId", "runId", "status", "outputs", "appId", "name", "parameters", "createdAt", "errorMessage"),
    *("credits", "balance", "estimatedCredits", "expected", "currentBalance", "errors", "capabilities", "produces"),
)
documents = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=10,
)
bodies = some.binary(max_size=40) | documents.map(lambda document: json.dumps(document).encode())
content_types = some.sampled_from(
    ["application/json", "application/problem+json; charset=x", "APPLICATION/JSON", "text/html", "text/plain", "", "é"]
)
header_values = some.text(some.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=12)
headers = some.dictionaries(
    some.sampled_from(["retry-after", "location", "content-encoding", "set-cookie", "x-request-id"]),
    header_values | some.sampled_from(["gzip", "deflate", "//", "http://[", "mailto:x", "5", "²", "a=b; Max-Age=x"]),
    max_size=3,
)


def answer_of(status, kind, more, body) -> httpx.Response:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in more.items()]
    raw.append((b"content-type", kind.encode("latin-1")))
    return httpx.Response(status, headers=raw, stream=httpx.ByteStream(body))


def call_all(client) -> list[errors.ApiError]:
    """Make every call; any error but ours comes through."""
    raised = []
    for call in CALLS.values():
        try:
            call(client)
        except errors.ApiError as error:
            raised.append(error)
    return raised


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.integers(100, 999) | some.sampled_from([200, 202, 302, 400, 429, 503]), content_types, headers, bodies)
@example(429, "application/json", {}, b'{"error": "x", "retryAfter": 1' + b"0" * 400 + b"}")
@example(200, "application/json", {}, b'{"data": {"credits": {"balance": 1' + b"0" * 400 + b"}}}")
@example(200, "application/json", {}, b'{"data": {"currentBalance": 1' + b"0" * 400 + b"}}")
@example(429, "text/plain", {"retry-after": "²"}, b"")
@example(429, "text/plain", {"retry-after": "Wed, 21 Oct 99999999999 07:28:00 GMT"}, b"")
@example(302, "text/html", {"location": "http://[::1"}, b"")
@example(302, "text/html", {"location": "mailto:x"}, b"")
@example(302, "text/html", {"location": "", "set-cookie": "\x80"}, b"")
@example(200, "application/json", {"content-encoding": "gzip"}, b"no gzip")
@example(
    200, "application/json", {}, b'{"data": {"runId": "e-1", "status": "x", "createdAt": "0001-01-01T00:00:00+14:00"}}'
)
@example(400, "application/json", {}, b'{"error": "x", "details": ' + b'{"errors":' * 985 + b"1" + b"}" * 985 + b"}")
def test_no_answer_makes_the_client_raise_a_foreign_error(open_client, status, kind, more, body):
    raised = call_all(open_client(lambda request: answer_of(status, kind, more, body)))
    assert all(isinstance(error, errors.ApiError) and str(error) for error in raised)
    if not 200 <= status < 300:
        assert len(raised) == len(CALLS)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError(""),
        httpx.WriteError("reset"),
        httpx.CloseError("x"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError("x"),
        httpx.ProxyError("x"),
        httpx.UnsupportedProtocol("x"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failure_on_the_way_is_unreachable_and_says_whether_it_was_sent(open_client, call, failure):
    def fail(request):
        raise failure

    with pytest.raises(errors.ApiUnreachable, match=r"^Lamina .+[^.]\.$") as raised:
        call(open_client(fail))
    before_sending = httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol
    assert raised.value.sent is not isinstance(failure, before_sending)
    assert raised.value.retryable


# What cannot be asked


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "inputs",
    [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}, {"a": b"bytes"}, {"a": {1, 2}}, {"a": nested(5_000)}],
    ids=["nan", "infinity", "object", "bytes", "set", "deep"],
)
def test_inputs_that_are_no_json_are_not_sent(open_client, inputs):
    asked = []
    with pytest.raises(errors.ApiUnreachable, match="cannot be sent") as raised:
        open_client(asked.append).start("app-1", inputs)
    assert (raised.value.sent, asked) == (False, [])


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get("\ud800"),
        lambda client: client.get("x" * 70_000),
        lambda client: client.get_app("\udfff"),
        lambda client: client.start("app-1", {}, webhook="https://desk.example.com/\ud800"),
        lambda client: client.list_apps(search="\ud800"),
    ],
    ids=["id", "long id", "app", "webhook", "search"],
)
def test_what_no_url_can_hold_is_not_sent(open_client, call):
    asked = []
    with pytest.raises(errors.ApiUnreachable, match="cannot be sent") as raised:
        call(open_client(asked.append))
    assert (raised.value.sent, asked) == (False, [])


@pytest.mark.parametrize("part", ["..", ".", "a/../..", "a?x=1", "a#b", "%2e%2e", "//lamina.example.net/x", "\\..\\"])
def test_an_id_never_leaves_its_place_in_the_path(open_client, part):
    asked = []

    def note(request):
        asked.append(request.url)
        return httpx.Response(404)

    with pytest.raises(errors.NotFound):
        open_client(note).cancel(part)
    (url,) = asked
    assert (url.host, url.query, url.fragment) == ("lamina.example.com", b"", "")
    assert url.raw_path.startswith(b"/v1/runs/")
    assert url.raw_path.count(b"/") == 4
    assert url.raw_path.split(b"/")[3] not in (b".", b"..", b"")


def test_a_base_url_may_have_a_path(open_client):
    asked = []

    def note(request):
        asked.append(str(request.url))
        return httpx.Response(404)

    with pytest.raises(errors.NotFound):
        open_client(note, base_url="https://proxy.example.com/lamina").get("e-1")
    assert asked == ["https://proxy.example.com/lamina/v1/runs/e-1"]


# What is read


@pytest.mark.parametrize(
    ("call", "document"),
    [
        ("list_apps", {"data": {}}),
        ("list_apps", []),
        ("list_apps", {"data": [{"name": "no id"}]}),
        ("list_apps", {"data": [5]}),
        ("get_app", {"data": []}),
        ("get_app", {"data": {}}),
        ("start", {"data": {"status": "queued"}}),
        ("start", {"data": {"runId": "r-1"}}),
        ("start", {}),
        ("get", {"data": {"runId": "another", "status": "queued"}}),
        ("get", {"runId": "e-1", "status": "queued"}),
        ("list", {"data": {}}),
        ("list", {"data": [None]}),
        ("list", None),
        ("cancel", {"runId": "e-1", "status": "cancelled"}),
        ("estimate", {"estimatedCredits": {"expected": 1}}),
        ("usage", []),
        ("signing_key", {"keys": {}}),
        ("signing_key", {"data": {"keys": []}}),
        ("signing_key", []),
    ],
)
def test_an_answer_of_another_shape_is_unreadable(open_answering, call, document):
    client = open_answering(document, headers={"x-request-id": "req-7"})
    with pytest.raises(errors.ApiUnreadable, match=r"HTTP 200") as raised:
        CALLS[call](client)
    assert (raised.value.status, raised.value.request_id, raised.value.retryable) == (200, "req-7", False)


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream", ""])
def test_json_under_another_name_is_not_read(open_answering, kind):
    client = open_answering({"data": {"credits": {"balance": 5}}}, headers={"content-type": kind})
    with pytest.raises(errors.ApiUnreadable, match="not JSON"):
        client.usage()


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON;charset=UTF-8", "application/problem+json"])
def test_json_is_read_however_its_type_is_written(open_answering, kind):
    assert open_answering({"data": {"credits": {"balance": 5}}}, headers={"content-type": kind}).usage() == 5


@pytest.mark.parametrize("credits", [None, [], {}, {"balance": None}, {"balance": "5"}, {"balance": True}])
def test_a_balance_that_is_not_said_is_unknown(open_answering, credits):
    assert open_answering({"data": {"credits": credits}}).usage() is None


@pytest.mark.parametrize(
    ("data", "estimate"),
    [
        ({}, Estimate(None, None, None)),
        ({"estimatedCredits": 5, "currentBalance": "x", "affordable": "yes"}, Estimate(None, None, None)),
        ({"estimatedCredits": {"expected": 0}, "affordable": False}, Estimate(0.0, None, False)),
    ],
)
def test_an_estimate_that_is_not_said_is_unknown(open_answering, data, estimate):
    assert open_answering({"data": data}).estimate("app-1") == estimate


@pytest.mark.parametrize("word", ["cancel_requested", "not_cancellable", None, 5, ["cancelled"]])
def test_an_odd_answer_to_a_cancel_is_an_unknown_status(open_answering, word):
    assert open_answering({"data": {"runId": "e-1", "status": word}}).cancel("e-1") is Status.UNKNOWN


@pytest.mark.parametrize("pagination", [None, {}, {"total": "9"}, {"total": None}, []])
def test_a_list_without_a_total_counts_what_came(open_answering, pagination):
    rows = [{"runId": "r-1", "status": "queued"}, {"runId": "r-2", "status": "odd"}]
    page = open_answering({"data": rows, "pagination": pagination}).list()
    assert (len(page.reports), page.total) == (2, 2)


def test_an_answer_of_another_generation_s_id_is_read(open_client):
    body = {"data": {"runId": "e-1", "status": "running"}}
    client = open_client(lambda request: httpx.Response(200, json=body), Generation.EXECUTIONS)
    assert client.get("e-1").status is Status.RUNNING


# Refusals that the sandbox does not give


def refusal_of(open_answering, document, status=400, **more) -> errors.ApiRefused:
    with pytest.raises(errors.ApiRefused) as raised:
        open_answering(document, status, more).usage()
    return raised.value


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.InvalidRequest, False),
        (401, errors.AuthRefused, False),
        (402, errors.InvalidRequest, False),
        (403, errors.AuthRefused, False),
        (404, errors.NotFound, False),
        (409, errors.InvalidRequest, False),
        (410, errors.InvalidRequest, False),
        (413, errors.InvalidRequest, False),
        (422, errors.InvalidRequest, False),
        (429, errors.RateLimited, True),
        (500, errors.ServerFault, True),
        (501, errors.ServerFault, True),
        (503, errors.ServerFault, True),
        (529, errors.ServerFault, True),
        (999, errors.ServerFault, True),
    ],
)
def test_a_status_has_its_class(open_answering, status, kind, retryable):
    refused = refusal_of(open_answering, {"error": "no"}, status)
    assert type(refused) is kind
    assert (refused.status, refused.retryable, str(refused)) == (status, retryable, "no")


def test_the_nested_shape_of_details_names_the_parameter(open_answering):
    problem = {"field": "Style", "error": "invalid_option", "message": "must be one of", "allowed": ["a"], "got": "b"}
    nested_details = {"code": "VALIDATION_ERROR", "message": "Invalid", "details": {"errors": [problem]}}
    refused = refusal_of(open_answering, {"error": "Invalid inputs", "details": nested_details}, 422)
    assert refused.details == (errors.FieldProblem("Style", "invalid_option", "must be one of"),)


def test_lamina_may_call_any_refusal_retryable(open_answering):
    assert refusal_of(open_answering, {"error": "busy", "retryable": True}, 409).retryable
    assert not refusal_of(open_answering, {"error": "busy", "retryable": "true"}, 409).retryable


def test_a_request_id_comes_from_the_body_or_else_from_the_header(open_answering):
    header = {"x-request-id": "from-header"}
    assert refusal_of(open_answering, {"error": "x", "requestId": "from-body"}, **header).request_id == "from-body"
    assert refusal_of(open_answering, {"error": "x", "requestId": 5}, **header).request_id == "from-header"
    assert refusal_of(open_answering, {"error": "x"}).request_id is None


@pytest.mark.parametrize("document", [{}, [], {"error": ""}, {"error": 5}, {"error": {"message": "x"}}, None])
def test_a_refusal_without_words_says_its_status(open_answering, document):
    assert str(refusal_of(open_answering, document, 418)) == "Lamina answered with HTTP 418"


def test_a_page_of_a_proxy_is_not_shown_as_lamina_s_words(open_answering):
    refused = refusal_of(open_answering, b"<html><script>x</script></html>", 502, **{"content-type": "text/html"})
    assert str(refused) == "Lamina answered with HTTP 502"


def test_the_words_of_a_refusal_are_bounded_and_storable(open_answering):
    refused = refusal_of(open_answering, {"error": "a\x00\ud800" * 100_000, "code": "\x00", "requestId": "\ud800"})
    assert str(refused).startswith("a\ufffd?a")
    assert len(str(refused)) <= 2_000
    assert (refused.code, refused.request_id) == ("\ufffd", "?")


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("7", {}, 7),
        (" 7 ", {}, 7),
        ("0", {}, 0),
        ("Sat, 14 Mar 2026 09:00:30 GMT", {}, 30),
        ("Sat, 14 Mar 2026 10:00:30 +0100", {}, 30),
        ("Sat, 14 Mar 2026 09:00:30 -0000", {}, 30),  # of no zone: UTC, not that of this machine
        ("Sat, 14 Mar 2026 08:00:00 GMT", {}, 0),
        (None, {"retryAfter": 12}, 12),
        (None, {"retryAfter": 1.5}, 1.5),
        ("7", {"retryAfter": 12}, 7),
        ("soon", {"retryAfter": 12}, 12),
        ("²", {"retryAfter": 12}, 12),
        ("7, 9", {"retryAfter": 12}, 12),
        ("-3", {}, None),
        ("9" * 400, {}, None),
        ("", {}, None),
        (None, {"retryAfter": -5}, 0),
        (None, {"retryAfter": "12"}, None),
        (None, {"retryAfter": True}, None),
        (None, {"retryAfter": 10**400}, None),
        (None, {}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(open_answering, header, body, seconds):
    more = {} if header is None else {"retry-after": header.encode("latin-1")}
    assert refusal_of(open_answering, {"error": "slow down"} | body, 429, **more).retry_after == seconds


def test_a_bare_line_is_the_refusal_s_text(open_answering):
    refused = refusal_of(open_answering, b" Too many \xff requests\n", 429, **{"content-type": "text/plain"})
    assert str(refused) == "Too many \ufffd requests"


# Bounds


class Drip(httpx.SyncByteStream):
    """Content that comes chunk by chunk, each after some seconds of the settable clock."""

    def __init__(self, clock, chunks, seconds) -> None:
        self._clock = clock
        self._chunks = chunks
        self._seconds = seconds
        self.taken = 0
        self.is_closed = False

    def __iter__(self):
        for chunk in self._chunks:
            self._clock.advance(self._seconds)
            self.taken += 1
            yield chunk

    def close(self) -> None:
        self.is_closed = True


def dripping(open_client, stream, **headers):
    every = {"content-type": "application/json"} | headers
    return open_client(lambda request: httpx.Response(200, headers=every, stream=stream))


def test_an_answer_that_drips_is_given_up_after_the_deadline(open_client, clock):
    drip = Drip(clock, [b" "] * 1_000, seconds=10)
    with pytest.raises(errors.ApiUnreachable, match="took too long") as raised:
        dripping(open_client, drip).usage()
    assert raised.value.sent
    assert drip.taken == transport.DEADLINE / 10 + 1
    assert drip.is_closed


def test_a_compressed_answer_that_drips_without_content_is_given_up_too(open_client, clock):
    start = gzip.compress(b"")[:10]
    empty_block = b"\x00\x00\x00\xff\xff"
    drip = Drip(clock, [start] + [empty_block] * 1_000, seconds=10)
    with pytest.raises(errors.ApiUnreachable, match="took too long"):
        dripping(open_client, drip, **{"content-encoding": "gzip"}).usage()
    assert drip.taken < 10


def test_an_answer_that_is_slow_but_in_time_is_read(open_client, clock):
    body = b'{"data": {"credits": {"balance": 5}}}'
    drip = Drip(clock, [body[:9], body[9:20], body[20:]], seconds=transport.DEADLINE / 3)
    assert dripping(open_client, drip).usage() == 5


def test_an_answer_without_end_is_given_up_at_the_limit(open_client, clock):
    drip = Drip(clock, [b" " * 1_000_000] * 1_000, seconds=0)
    with pytest.raises(errors.ApiUnreadable, match="larger than 16 MB"):
        dripping(open_client, drip).usage()
    assert drip.taken == transport.ANSWER_LIMIT / 1_000_000 + 1
    assert drip.is_closed


def test_the_limit_is_that_of_the_unpacked_answer(open_client, clock):
    packed = gzip.compress(b" " * (transport.ANSWER_LIMIT + 1))
    pieces = [packed[place : place + 1_000] for place in range(0, len(packed), 1_000)]
    with pytest.raises(errors.ApiUnreadable, match="larger than 16 MB"):
        dripping(open_client, Drip(clock, pieces, seconds=0), **{"content-encoding": "gzip"}).usage()


def test_a_large_answer_under_the_limit_is_read(open_client):
    outputs = [{"label": "Text", "value": "x" * 1_000_000} for _ in range(10)]
    body = {"data": {"runId": "e-1", "status": "completed", "outputs": outputs}}
    report = open_client(lambda request: httpx.Response(200, json=body)).get("e-1")
    assert len(report.outputs[9]["value"]) == 1_000_000


# Repetition


def counting(clock, *behaviours):
    """Return an answering function that goes through the behaviours, and the list of instants at which it was asked."""
    asked = []

    def behave(request):
        asked.append(clock.now())
        behaviour = behaviours[min(len(asked), len(behaviours)) - 1]
        if isinstance(behaviour, Exception):
            raise behaviour
        return httpx.Response(behaviour, json={"data": {"credits": {"balance": 5}}, "error": "x"})

    return behave, asked


@pytest.mark.parametrize(
    ("behaviour", "times"),
    [
        (httpx.ConnectError("x"), 3),
        (httpx.ConnectTimeout("x"), 3),
        (httpx.RemoteProtocolError("x"), 3),
        (httpx.ReadError("x"), 3),
        (502, 3),
        (503, 3),
        (504, 3),
        (httpx.ReadTimeout("x"), 1),
        (400, 1),
        (401, 1),
        (404, 1),
        (408, 1),
        (429, 1),
        (500, 1),
        (302, 1),
    ],
)
def test_a_read_is_repeated_only_where_it_may_help(open_client, clock, behaviour, times):
    behave, asked = counting(clock, behaviour)
    with pytest.raises(errors.ApiError):
        open_client(behave).usage()
    assert len(asked) == times


@pytest.mark.parametrize("behaviour", [httpx.ConnectError("x"), httpx.RemoteProtocolError("x"), 502, 503, 504, 429])
@pytest.mark.parametrize("call", ["start", "cancel", "estimate"])
def test_a_post_is_sent_once(open_client, clock, behaviour, call):
    behave, asked = counting(clock, behaviour)
    with pytest.raises(errors.ApiError):
        CALLS[call](open_client(behave))
    assert len(asked) == 1


def test_a_read_that_succeeds_at_the_third_try_is_read(open_client, clock):
    behave, asked = counting(clock, httpx.ReadError("x"), 503, 200)
    assert open_client(behave).usage() == 5
    pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(asked)]
    assert [0.16, 0.64] <= pauses <= [0.24, 0.96]


def test_redirects_are_not_followed(open_client):
    asked = []

    def redirect(request):
        asked.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://elsewhere.example.com/"})

    client = open_client(redirect)
    for call in CALLS.values():
        with pytest.raises(errors.ApiUnreadable, match="redirect; check LAMINA_BASE_URL"):
            call(client)
    assert {httpx.URL(url).host for url in asked} == {"lamina.example.com"}
    assert len(asked) == len(CALLS)


# The key


def everything_said(error: BaseException) -> str:
    """Return text, representation and traceback of an error and of all that led to it."""
    said = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        said += f"{link!s}{link!r}{link.args!r}"
        link = link.__cause__ or link.__context__
    return said


@pytest.mark.parametrize("behaviour", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), 200, 302, 401, 429, 500])
def test_the_key_is_sent_and_never_told(open_client, clock, caplog, behaviour):
    caplog.set_level(logging.DEBUG)
    keys = set()
    behave, _ = counting(clock, behaviour)

    def note(request):
        keys.add(request.headers["x-api-key"])
        return behave(request)

    client = open_client(note)
    raised = call_all(client)
    assert keys == {KEY}
    assert raised
    assert KEY not in "".join(everything_said(error) for error in raised) + caplog.text + repr(vars(client))


@pytest.mark.parametrize("key", ["lma_two\nlines", "lma_n\x00l", "lma_schl\u00fcssel", "lma_\ud800", "lma_\x7f"])
def test_a_key_that_no_header_can_hold_is_refused_without_telling_it(open_client, key):
    with pytest.raises(errors.ConfigurationError, match="LAMINA_API_KEY") as raised:
        open_client(lambda request: httpx.Response(404), api_key=Secret(key))
    assert key not in everything_said(raised.value)
    assert "lma_" not in str(raised.value)


@pytest.mark.parametrize("cookie", ["session=1; Path=/", "s=\x80", "\x80"])
def test_what_one_answer_sets_is_not_sent_with_the_next_request(open_client, cookie):
    seen = []

    def note(request):
        seen.append(request.headers.get("cookie"))
        return httpx.Response(404, headers=[(b"set-cookie", cookie.encode("latin-1"))])

    client = open_client(note)
    for _ in range(2):
        with pytest.raises(errors.NotFound):
            client.usage()
    assert seen == [None, None]


def test_a_client_that_was_closed_asks_nothing_and_says_so(open_client):
    asked = []
    client = open_client(asked.append)
    client.close()
    with pytest.raises(errors.ApiUnreachable, match="stopping") as raised:
        client.start("app-1", {})
    assert (raised.value.sent, asked) == (False, [])
