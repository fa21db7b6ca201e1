"""Comparisons: what differs comes back whole, and what failures share is counted right."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.triage import diff
from lamina_core.triage.diff import Change, Difference, Segment, Shared

names = some.sampled_from(["a", "b", " a", ""]) | some.text(max_size=4)
scalars = (
    some.none()
    | some.booleans()
    | some.integers(-2, 2)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.sampled_from([0.0, 1.0, "", " ", "0", "https://example.com/a.png", "https://[::1/x.jpg", "b.HEIC"])
    | some.text(max_size=6)
)
documents = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
payloads = some.dictionaries(names, documents, max_size=4)


@given(payloads, payloads)
def test_the_changes_lead_from_one_input_to_the_other(before, after):
    assert diff.same_json(diff.apply_changes(before, diff.compare_inputs(before, after)), after)


@given(payloads)
def test_an_input_does_not_differ_from_itself(inputs):
    assert diff.compare_inputs(inputs, dict(reversed(inputs.items()))) == ()


def test_changes_come_in_the_order_before_then_the_added_ones():
    before = {"seed": 1, "image": "a", "prompt": "x", "same": [1]}
    after = {"new": None, "same": [1], "prompt": "y", "seed": True}
    assert diff.compare_inputs(before, after) == (
        Change("seed", Difference.CHANGED, 1, True),
        Change("image", Difference.REMOVED, "a", None),
        Change("prompt", Difference.CHANGED, "x", "y"),
        Change("new", Difference.ADDED, None, None),
    )


def test_apply_changes_leaves_its_argument_alone():
    before = {"a": 1, "b": 2}
    diff.apply_changes(before, diff.compare_inputs(before, {"a": 3}))
    assert before == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (1.0, True),
        (None, False),
        ("", None),
        ([], {}),
        ("1", 1),
        ([1, 2], [1]),
        ([1, 2], [2, 1]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1.0}]}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 1}),
        ("é", "e\u0301"),
    ],
)
def test_values_that_are_not_the_same_json(one, other):
    assert not diff.same_json(one, other)
    assert not diff.same_json(other, one)


def test_the_same_json_however_deep_and_in_whatever_order_of_names():
    assert diff.same_json({"a": [1, {"b": None}], "c": 1.5}, {"c": 1.5, "a": [1, {"b": None}]})
    one: list = []
    other: list = []
    for _ in range(5_000):
        one, other = [one], [other]
    assert diff.same_json(one, other)
    assert not diff.same_json(one, [other])


def join(segments, *kinds: str) -> str:
    return "".join(segment.text for segment in segments if segment.kind in kinds)


words = some.lists(some.sampled_from(["red", "blue", "cat", " ", " ", "  ", "\n", ",", "é", "🦊"]), max_size=30)
prose = words.map("".join) | some.text()


@given(prose, prose)
def test_segments_make_up_both_texts(before, after):
    segments = diff.compare_text(before, after)
    assert join(segments, "same", "gone") == before
    assert join(segments, "same", "new") == after
    assert all(segment.text for segment in segments)


@given(prose)
def test_a_text_is_all_the_same_as_itself(text):
    assert diff.compare_text(text, text) == ((Segment("same", text),) if text else ())


def test_texts_are_compared_word_by_word():
    assert diff.compare_text("a red cat sat, here", "a blue cat sat there") == (
        Segment("same", "a "),
        Segment("gone", "red"),
        Segment("new", "blue"),
        Segment("same", " cat sat"),
        Segment("gone", ", here"),
        Segment("new", " there"),
    )


def test_a_single_space_is_nothing_in_common():
    assert diff.compare_text("<red big cat>", "<one old dog>") == (
        Segment("same", "<"),
        Segment("gone", "red big cat"),
        Segment("new", "one old dog"),
        Segment("same", ">"),
    )


def test_what_begins_and_ends_alike_may_overlap():
    assert diff.compare_text("a a", "a a a") == (Segment("same", "a a"), Segment("new", " a"))


NUMBERS = " ".join(str(number * 7919 % 1_000) for number in range(50_000))  # about 200 KB


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (NUMBERS, NUMBERS[::-1]),
        (NUMBERS, f"x{NUMBERS} x"),
        ("!" * 200_000, "?" + "!?" * 100_000),
        ("!" * 500, "?" + "!?" * 250),
        ("a" * 200_000, "b" * 200_000),
        ("", NUMBERS),
        ("x " + "!" * 340, "?" + "!?" * 170),
    ],
)
def test_huge_texts_are_compared_in_bounded_time(before, after):
    began = time.process_time()
    segments = diff.compare_text(before, after)
    assert time.process_time() - began < 3  # without a bound these take minutes
    assert join(segments, "same", "gone") == before
    assert join(segments, "same", "new") == after


def test_a_huge_text_shows_where_it_changed():
    middle = len(NUMBERS) // 2
    after = NUMBERS[:middle] + " x " + NUMBERS[middle:]
    changed = [segment for segment in diff.compare_text(NUMBERS, after) if segment.kind != "same"]
    assert sum(len(segment.text) for segment in changed) < 20


def test_a_long_prompt_is_still_compared_within():
    before = [f"word{number} the" for number in range(1_000)]
    after = ["new", *before[1:500], "new", *before[501:-1], "new"]
    segments = diff.compare_text(" ".join(before), " ".join(after))
    assert join(segments, "new") == "newnewnew"
    assert join(segments, "gone") == "word0 theword500 theword999 the"


def shared(failures, successes) -> list[tuple]:
    return [
        (found.name, found.what, found.in_failures, found.in_successes)
        for found in diff.find_shared(failures, successes)
    ]


def test_a_value_that_failures_share_comes_first_with_its_counts():
    failures = [{"background": "white", "seed": n} for n in range(4)] + [{"background": "red", "seed": 9}]
    successes = [{"background": "white", "seed": n} for n in range(1)] + [
        {"background": "blue", "seed": n} for n in "abcd"
    ]
    assert diff.find_shared(failures, successes) == (Shared("background", "white", 4, 5, 1, 5, 'exactly "white"'),)


def test_an_input_that_failures_lack_is_told_as_missing():
    failures = [{"seed": 1}, {"seed": 2}]
    successes = [{"seed": 1, "image": "x"}, {"seed": 2, "image": "y"}]
    assert diff.find_shared(failures, successes) == (Shared("image", None, 2, 2, 0, 2, "not given", missing=True),)


def test_an_input_that_only_failures_have_is_told_as_given():
    assert shared([{"mask": 1}, {"mask": 2}, {"mask": 3}], [{}, {}]) == [("mask", "given", 3, 0)]


def test_null_is_a_value_and_not_a_missing_input():
    assert shared([{"a": None}, {"a": None}], [{"a": 1}, {}]) == [("a", "exactly null", 2, 0)]


@pytest.mark.parametrize(("failed", "succeeded"), [(1, True), (1, 1.0), ([1], [True]), ({"x": 0}, {"x": False})])
def test_values_are_told_apart_as_json_does(failed, succeeded):
    [found] = diff.find_shared([{"a": failed}] * 2, [{"a": succeeded}] * 2)
    assert diff.same_json(found.value, failed)
    assert (found.in_failures, found.in_successes) == (2, 0)


def test_objects_are_the_same_in_any_order_of_names():
    [found] = diff.find_shared([{"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}], [{"a": 1}])
    assert found.in_failures == 2


@pytest.mark.parametrize(
    ("failed", "succeeded", "what", "value"),
    [
        (
            ["https://x.example.com/1", "http://X.example.com:84"],
            "http://example.com",
            "host x.example.com",
            "x.example.com",
        ),
        (
            ["http://example.com/1.heic?x=.png", "http://example.com/2.HEIC"],
            "http://example.com/",
            "ends in .heic",
            ".heic",
        ),
        (["one.heic", "two.Heic"], "three.png", "ends in .heic", ".heic"),
        ([["ok.png", "one.heic"], ["two.heic", "six.heic"]], ["three.png"], "ends in .heic", ".heic"),
        (["", "  "], "x", "empty text", ""),
        (["y" * 501, "z" * 502], "x" * 500, "longer than 500 signs", 500),
    ],
)
def test_a_property_is_told_where_the_values_differ(failed, succeeded, what, value):
    [found] = diff.find_shared([{"a": one} for one in failed], [{"a": succeeded}, {"a": succeeded}])
    assert (found.what, found.value, found.in_failures, found.in_successes) == (what, value, 2, 0)


@pytest.mark.parametrize("texts", [["Dr.No said", "v1.5 is out"], ["this is the.end", "in the.end"], ["3.14", "2.71"]])
def test_prose_and_numbers_end_in_no_file_ending(texts):
    assert shared([{"a": text} for text in texts], [{"a": "x" * 50}]) == []


def test_a_link_is_not_judged_by_its_length():
    failures = [{"a": f"https://example.com/{n}{'x' * 50}"} for n in range(2)]
    assert shared(failures, [{"a": "https://example.com/9"}, {"a": "short"}, {"a": "https://example.com/8"}]) == []


def test_the_longest_success_counts_and_no_link_among_them():
    successes = [{"a": "x" * 10}, {"a": "x"}, {"a": f"https://example.com/{'x' * 90}"}]
    assert shared([{"a": "y" * 11}, {"a": "z" * 12}], successes) == [("a", "longer than 10 signs", 2, 0)]
    assert shared([{"a": "y" * 10}, {"a": "z" * 9}], successes) == []


def test_a_property_says_nothing_beside_the_same_exact_value():
    assert shared([{"a": "https://example.com/1.heic"}] * 2, [{"a": "x"}]) == [
        ("a", 'exactly "https://example.com/1.heic"', 2, 0)
    ]


def test_what_fewer_than_60_percent_share_is_left_out():
    successes = [{"a": "good"}]
    assert shared([{"a": "bad"}] * 3 + [{"a": n} for n in range(2)], successes) == [("a", 'exactly "bad"', 3, 0)]
    assert shared([{"a": "bad"}] * 5 + [{"a": n} for n in range(4)], successes) == []


def test_one_of_two_failures_shares_nothing_but_a_single_failure_does():
    assert shared([{"a": 1}, {"a": 2}], [{"a": 3}]) == []
    assert shared([{"a": 1}], [{"a": 3}]) == [("a", "exactly 1", 1, 0)]


def test_what_more_than_a_third_as_many_successes_have_is_left_out():
    failures = [{"a": "x"}] * 3
    assert shared(failures, [{"a": "x"}] + [{"a": "y"}] * 2) == [("a", 'exactly "x"', 3, 1)]
    assert shared(failures, [{"a": "x"}] * 2 + [{"a": "y"}] * 3) == []


def test_the_widest_gap_comes_first_and_between_equals_the_simpler_fact():
    failures = [{"z": f"https://bad.example.com/{n}.heic", "b": "x"} for n in range(3)]
    successes = [{"z": f"https://example.com/{n}.png", "b": "y", "a": n} for n in range(3)] + [
        {"b": "x", "a": 1, "z": ""}
    ]
    assert shared(failures, successes) == [
        ("a", "not given", 3, 0),
        ("z", "host bad.example.com", 3, 0),
        ("z", "ends in .heic", 3, 0),
        ("b", 'exactly "x"', 3, 1),
    ]


def test_at_most_ten_are_told():
    assert len(diff.find_shared([{str(n): n for n in range(30)}] * 2, [{}])) == 10


def test_without_failures_nothing_is_shared_and_without_successes_the_count_says_so():
    assert diff.find_shared([], [{"a": 1}]) == ()
    assert diff.find_shared([{"a": 1}, {"a": 1}], []) == (Shared("a", 1, 2, 2, 0, 0, "exactly 1"),)


def test_hostile_values_are_counted_and_told_shortly():
    deep: list = []
    for _ in range(50_000):
        deep = [deep]
    hostile = {
        "huge": NUMBERS * 2,
        "list": [["x"], {"y": [1]}] * 500,
        "deep": deep,
        "odd": {1: 2, "x": 3},
        "set": {1},
        "link": "https://[::1/a.png",
        "half": "\ud800",
    }
    found = {one.name: one for one in diff.find_shared([hostile] * 3, [dict.fromkeys(hostile, "ok")] * 3)}
    assert set(found) == {"huge", "list", "link", "half"}  # the others are nothing that JSON can hold
    assert all(one.in_failures == 3 and one.in_successes == 0 and len(one.what) < 80 for one in found.values())


@pytest.mark.long
@given(some.lists(payloads, max_size=5), some.lists(payloads, max_size=5))
def test_whatever_is_told_is_counted_right(failures, successes):
    for found in diff.find_shared(failures, successes):
        assert (found.of_failures, found.of_successes) == (len(failures), len(successes))
        assert found.in_failures >= max(min(2, len(failures)), 0.6 * len(failures))
        if successes:
            assert found.in_successes / len(successes) <= found.in_failures / len(failures) / 3 + 1e-9
        if found.what.startswith("exactly "):
            count = [
                sum(n.get(found.name, ...) is not ... and diff.same_json(n[found.name], found.value) for n in each)
                for each in (failures, successes)
            ]
        elif found.missing:
            count = [sum(found.name not in inputs for inputs in each) for each in (failures, successes)]
        elif found.what == "given":
            count = [sum(found.name in inputs for inputs in each) for each in (failures, successes)]
        else:
            continue
        assert [found.in_failures, found.in_successes] == count
