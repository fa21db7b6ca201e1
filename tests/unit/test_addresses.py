"""Addresses are read strictly, and what an allowed one covers is what a client would ask for."""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from lamina_core.addresses import LENGTH, Address, read_address

ALLOWED = read_address("https://hooks.example.com/lamina")


@pytest.mark.parametrize(
    "text",
    [
        "https://hooks.example.com/lamina",
        "https://hooks.example.com/lamina/",
        "https://hooks.example.com/lamina/v1/in",
        "https://hooks.example.com/lamina?token=a%20b&x=/../y",
        "HTTPS://HOOKS.Example.COM:443/lamina",
        "https://hooks.example.com:0443/lamina",
        "https://hooks。example。com/lamina",
        "https://hooks.example.com/lamina/@me;v=1",
    ],
)
def test_the_allowed_address_and_what_lies_below_it_is_covered(text):
    assert ALLOWED.covers(read_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.com/lamina",
        "https://hooks.example.com:444/lamina",
        "https://hooks.example.com:80/lamina",
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "https://hooks.example.com/lamina2",
        "https://hooks.example.com/lamina-other/x",
        "https://hooks.example.com/Lamina",
        "https://hooks.example.com//lamina",
        "https://hooks.example.com/other?/lamina",
        "https://hooks.example.com.evil.example/lamina",
        "https://evil.example/hooks.example.com/lamina",
        "https://evil-hooks.example.com/lamina",
        "https://example.com/lamina",
        "https://hookѕ.example.com/lamina",  # a Cyrillic letter
    ],
)
def test_another_scheme_host_port_or_path_is_not_covered(text):
    assert not ALLOWED.covers(read_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.com/lamina",
        "//hooks.example.com/lamina",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:/hooks.example.com/lamina",
        "https:hooks.example.com/lamina",
        "https://",
        "https:///lamina",
        "https://user@hooks.example.com/lamina",
        "https://user:pass@hooks.example.com/lamina",
        "https://hooks.example.com@evil.example/lamina",
        "https://hooks.example.com%40evil.example/lamina",
        "https://hooks.example.com\\@evil.example/lamina",
        "https://evil.example\\.hooks.example.com/lamina",
        "https://hooks.example.com\\lamina",
        "https:\\\\hooks.example.com/lamina",
        "https://hooks.example.com:/lamina",
        "https://hooks.example.com:0/lamina",
        "https://hooks.example.com:65536/lamina",
        "https://hooks.example.com:443:80/lamina",
        "https://hooks.example.com:４４３/lamina",
        "https://hooks.example.com./lamina",
        "https://hooks..example.com/lamina",
        "https://-hooks.example.com/lamina",
        "https://hooks.example.com /lamina",
        "https://hooks.example.com\t/lamina",
        "https://hooks.example.com\n/lamina",
        "https://hooks.example.com\x00.evil.example/lamina",
        "https://hooks.example.com／lamina",
        "https://evil.example／.hooks.example.com/lamina",
        "https://[::1/lamina",
        "https://[::1%25eth0]/lamina",
        "https://[127.0.0.1]/lamina",
        "https://\ud800/lamina",
        "https://hooks.example.com/lamina/../admin",
        "https://hooks.example.com/lamina/..",
        "https://hooks.example.com/./lamina",
        "https://hooks.example.com/lamina/%2e%2e/admin",
        "https://hooks.example.com/lamina/.%2E/admin",
        "https://hooks.example.com/lamina/%252e%252e/admin",
        "https://hooks.example.com/lamina/%25252e%25252e/admin",
        "https://hooks.example.com/lamina/..;/admin",
        "https://hooks.example.com/lamina/..%3bx/admin",
        "https://hooks.example.com/lamina/..%2fadmin",
        "https://hooks.example.com/lamina/x%2fy",
        "https://hooks.example.com/lamina/..%5cadmin",
        "https://hooks.example.com/lamina\\..\\admin",
        "https://hooks.example.com/lamina/%c0%ae%c0%ae/admin",
        "https://hooks.example.com/lamina/%",
        "https://hooks.example.com/lamina/%zz",
        "https://hooks.example.com/lamina/a b",
        "https://hooks.example.com/lamina/é",
        "https://hooks.example.com/lamina\r\nX-Evil: 1",
        "https://hooks.example.com/lamina#/../x",
        "https://hooks.example.com/lamina#",
        "https://hooks.example.com/lamina?a=\r\nb",
        "https://hooks.example.com/lamina?a b",
        " https://hooks.example.com/lamina",
        "https://hooks.example.com/" + "a" * LENGTH,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text):
    with pytest.raises(ValueError, match=r"^it(?:s|) ") as refused:
        read_address(text)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize("path", ["", "/"])
def test_an_allowed_host_covers_all_its_paths_and_no_other_port(path):
    allowed = read_address(f"http://127.0.0.1:9000{path}")
    assert allowed.covers(read_address("http://127.0.0.1:9000"))
    assert allowed.covers(read_address("http://127.0.0.1:9000/a/b?c"))
    assert not allowed.covers(read_address("http://127.0.0.1:9001/a"))
    assert not allowed.covers(read_address("http://localhost:9000/a"))


def test_a_slash_at_the_end_of_the_allowed_one_makes_no_difference():
    allowed = read_address("https://example.com/hooks/")
    assert allowed.covers(read_address("https://example.com/hooks"))
    assert allowed.covers(read_address("https://example.com/hooks/a"))
    assert not allowed.covers(read_address("https://example.com/hooksa"))


def test_addresses_are_spelt_in_one_way():
    found = read_address("HTTP://[0:0:0:0:0:0:0:1]:080/A?b=C")
    assert found == Address("http", "[::1]", 80, "/A", "b=C")
    assert (found.place, found.url) == ("http://[::1]/A", "http://[::1]/A?b=C")
    assert read_address("https://bücher.example:8443/x").url == "https://xn--bcher-kva.example:8443/x"
    assert read_address("https://my_service:80").url == "https://my_service:80"


@pytest.mark.parametrize(
    "text",
    ["https://" + "ü" * 1_900, "https://e.example/%" + "25" * 900 + "2e", "https://" + "a." * 900, "x" * 10**7],
    ids=["host", "encoded often", "labels", "megabytes"],
)
def test_long_ones_are_refused(text):
    with pytest.raises(ValueError, match=r"^it"):
        read_address(text)


PIECES = some.sampled_from(
    [
        *("https://", "http://", "hooks.example.com", "evil.example", "/lamina", "/", "\\", "@", ":", "443", "[::1]"),
        *("..", "%2e", "%2f", "?", "#", ";", "。", "a", "%", " ", "&", "'", '"', "|", "^", "{", "~"),
    ]
)


@given(some.lists(PIECES, max_size=8).map(lambda pieces: "https://hooks.example.com/lamina" + "".join(pieces)))
@example("https://hooks.example.com/lamina/a;b=(c)!$&'*+,=:@~._-?d/?:@'()")
def test_what_is_sent_goes_where_it_was_said_to_go(text):
    try:
        address = read_address(text)
    except ValueError:
        return
    asked = httpx.URL(address.url)
    assert (asked.scheme, asked.host, asked.port or 443) == (address.scheme, address.host, address.port)
    assert asked.path.startswith(("/lamina", "/")), text
    assert asked.raw_path.decode().partition("?")[0] == address.path
    assert read_address(address.url) == address
