"""Where two texts part is found to the byte, and every byte can be seen."""

import random

import pytest

from lamina_core.debugger.passage import difference, find_difference, hexdump, reveal


def test_first_difference_is_found_wherever_it_is():
    rng = random.Random(1)
    for size in (1, 2, 15, 16, 17, 1_000):
        text = rng.randbytes(size)
        for place in {0, size // 2, size - 1}:
            other = text[:place] + bytes([text[place] ^ 1]) + rng.randbytes(5)
            assert find_difference(text, other) == find_difference(other, text) == place
        assert find_difference(text, text + b"x") == find_difference(text, text) == size
    assert find_difference(b"", b"") == find_difference(b"", b"x") == 0


def test_sixteen_bytes_are_shown_of_each_side():
    seen = difference(b"0123456789abcdefghij", b"0123456789aXcdefghij")
    assert (seen.offset, seen.given_text, seen.signed_text) == (11, "3456789abcdefghi", "3456789aXcdefghi")
    assert bytes.fromhex(seen.given_hex) == b"3456789abcdefghi"
    assert bytes.fromhex(seen.signed_hex) == b"3456789aXcdefghi"


def test_an_end_shows_as_nothing_more():
    seen = difference(b'{"a":1}\n', b'{"a":1}')
    assert (seen.offset, seen.given_text, seen.signed_text) == (7, '{"a":1}\\n', '{"a":1}')
    assert difference(b"", b"") == difference(b"", b"")
    assert (difference(b"", b"x").given_hex, difference(b"", b"x").signed_hex) == ("", "78")


@pytest.mark.parametrize("before", range(12))
def test_no_character_is_cut_in_two(before):
    text = "x" * before + "🦊" * 3
    for other in (text + "🦊" * 5, text + "\n🦊🦊🦊🦊", text[:-1] + "🐺🦊🦊🦊🦊"):
        seen = difference((text + "🦊🦊🦊🦊").encode(), other.encode())
        assert "\\x" not in seen.given_text
        assert "\\x" not in seen.signed_text


def test_what_nobody_sees_is_shown():
    assert reveal("\ufeffa b\r\n\t\x00\u00a0\u200b\u202e\U000e0001é".encode()) == (
        "[BOM]a·b\\r\\n\\t\\x00\\u00a0\\u200b\\u202e\\U000e0001é"
    )
    assert reveal(b"\xff\xc3") == "\\xff\\xc3"


def test_megabytes_are_compared_at_once():
    text = random.Random(2).randbytes(8_000_000)
    assert difference(text, text[:-1] + bytes([text[-1] ^ 1])).offset == len(text) - 1


def test_dump_has_rows_of_sixteen_up_to_the_limit():
    assert list(hexdump(b'{"a":\n1}' + bytes(10), 100)) == [
        "00000000  7b 22 61 22 3a 0a 31 7d 00 00 00 00 00 00 00 00  {\"a\":·1}········",
        "00000010  00 00                                            ··",
    ]  # fmt: skip
    assert list(hexdump(b"", 100)) == []
    rows = list(hexdump(bytes(1_000), 40))
    assert [row[:8] for row in rows] == ["00000000", "00000010", "00000020"]
    assert rows[-1].count("00 00") == 4
