"""The name that an operator gave once: set from our own pages only, kept in a cookie that scripts cannot read."""

import asyncio
from http.cookies import SimpleCookie

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.applications import Starlette
from starlette.routing import Route

from lamina_core import identity
from lamina_core.domain import Operator, Role
from lamina_core.identity import COOKIE, UNNAMED

APP = Starlette(routes=[Route("/operator", identity.set_operator, methods=["POST"])])
OURS = {"origin": "http://localhost:8501", "host": "localhost:8501", "sec-fetch-site": "same-origin"}


def post(name: str | bytes | None, headers=None, **more) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8501") as browser:
            return await browser.post(
                "/operator", data=None if name is None else {"operator_name": name}, headers=headers, **more
            )

    return asyncio.run(ask())


def cookie_of(answer: httpx.Response):
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


def test_a_name_is_kept_for_a_year_where_scripts_cannot_read_it():
    answer = post("Ada Lovelace", OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = cookie_of(answer)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert int(cookie["max-age"]) == 365 * 86_400
    assert identity.read_operator({COOKIE: cookie.value}) == Operator("Ada Lovelace", Role.ADMIN)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://example.com"},
        {"origin": "http://localhost:8502"},
        {"origin": "http://localhost"},
        {"origin": "http://localhost:8501.example.com"},
        {"origin": "http://example.com/localhost:8501"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://["},
        {"origin": "localhost:8501"},
        {"origin": "file://localhost:8501"},
        {"origin": "", "host": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"host": "example.com"},
    ],
)
def test_a_form_of_another_page_is_refused(change):
    answer = post("Mallory", OURS | change)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_request_without_an_origin_is_refused():
    assert post("Mallory", {"host": "localhost:8501"}).status_code == 403


def test_an_older_browser_that_tells_only_the_origin_is_served():
    headers = {name: value for name, value in OURS.items() if name != "sec-fetch-site"}
    assert post("Ada", headers).status_code == 303


@pytest.mark.parametrize("name", ["", "   ", "\x00\x1b", "\u202e\u200b", None])
def test_no_name_takes_the_old_one_away(name):
    cookie = cookie_of(post(name, OURS))
    assert (cookie.value, cookie["max-age"]) == ("", "0")


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("  Ada   Lovelace\t", "Ada Lovelace"),
        ("Ada\r\nSet-Cookie: admin=1", "Ada Set-Cookie: admin=1"),
        ('A"; Path=/; X="', 'A"; Path=/; X="'),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("Ada\u202eecalevoL", "Ada ecalevoL"),
        ("Łódź 🦊", "Łódź 🦊"),
        ("%41%00", "%41%00"),
        ("x" * 900, "x" * 60),
        ("🦊" * 70, "🦊" * 60),
    ],
)
def test_a_hostile_name_is_only_a_name(given_name, kept):
    answer = post(given_name, OURS)
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert identity.read_operator({COOKIE: cookie_of(answer).value}).name == kept


def test_a_name_of_any_length_is_not_read_to_its_end():
    answer = post("x" * 5_000_000, OURS)
    assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)


def test_a_file_in_place_of_a_name_is_no_name():
    answer = post(None, OURS, files={"operator_name": ("name.txt", b"Ada")})
    assert answer.status_code in {303, 400}
    assert "Ada" not in answer.headers.get("set-cookie", "")


def test_a_form_with_many_fields_is_not_kept():
    answer = post(None, OURS, files=[(f"field{place}", (None, "x")) for place in range(50)])
    assert answer.status_code == 400


@given(some.text(max_size=300))
def test_whatever_stands_in_a_cookie_is_a_short_printable_name(value):
    operator = identity.read_operator({COOKIE: value})
    assert operator.name.isprintable()
    assert 0 < len(operator.name) <= 60
    assert operator.name == operator.name.strip()


def test_without_a_cookie_the_operator_has_no_name():
    assert identity.read_operator({}) == Operator(UNNAMED, Role.ADMIN)
