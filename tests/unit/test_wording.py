"""Sentences for people: every status has one, and a length of time never reads oddly."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lamina_core.domain import Execution, Kind, Origin, Output, Status
from lamina_core.insights import wording

T0 = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
EXECUTION = Execution(
    id=1,
    execution_id="e-1",
    app_id="app-1",
    app_name="Portrait Studio",
    status=Status.RUNNING,
    raw_status="running",
    kind=Kind.IMAGE,
    error_message=None,
    created_at=T0,
    started_at=None,
    completed_at=None,
    updated_at=T0,
    next_poll_at=None,
    last_poll_at=None,
    poll_count=0,
    poll_error=None,
    origin=Origin.FORM,
    replay_of=None,
    started_by="Ada",
    webhook_expected=False,
    reference=None,
)


def output(status: str) -> Output:
    return Output("Picture", "image", status, None, None)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_and_a_sentence(status):
    assert wording.STATUS_WORDS[status]
    assert wording.describe(replace(EXECUTION, status=status), (), T0).endswith(".")


def test_a_completed_one_says_how_many_outputs_failed():
    done = replace(EXECUTION, status=Status.COMPLETED)
    outputs = (output("completed"), output("error"), output("completed"))
    assert wording.describe(done, outputs, T0) == "It is done, but 1 of 3 outputs failed. The others are below."


@pytest.mark.parametrize(
    ("status", "hours", "late"),
    [
        (Status.RUNNING, 25, True),
        (Status.QUEUED, 25, True),
        (Status.UNKNOWN, 25, True),
        (Status.RUNNING, 24, False),
        (Status.COMPLETED, 99, False),
        (Status.GONE, 99, False),
        (Status.START_UNCONFIRMED, 99, False),
    ],
)
def test_only_what_lamina_still_works_on_after_a_day_is_late(status, hours, late):
    execution, now = replace(EXECUTION, status=status), T0 + timedelta(hours=hours)
    assert wording.is_late(execution, now) == late
    assert ("It is late" in wording.describe(execution, (), now)) == late


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (0.04, "0 s"),
        (1, "1 s"),
        (3.25, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (61, "1 min 1 s"),
        (599, "9 min 59 s"),
        (601, "10 min"),
        (3_599.7, "1 h"),
        (3_661, "1 h 1 min"),
        (86_399, "1 d"),
        (86_400 * 12.4, "12 d"),
    ],
)
def test_a_length_of_time_is_told_in_one_or_two_units(seconds, text):
    assert wording.format_span(timedelta(seconds=seconds)) == text


@given(some.floats(0, 10**7))
def test_a_length_of_time_never_overflows_its_unit_and_is_nearly_right(seconds):
    text = wording.format_span(timedelta(seconds=seconds))
    parts = {unit: float(number) for number, unit in re.findall(r"([\d.]+) (d|h|min|s)\b", text)}
    assert " ".join(f"{number:g} {unit}" for unit, number in parts.items()) == text
    assert parts.get("s", 0) < 60
    assert parts.get("min", 0) < 60
    assert parts.get("h", 0) < 24
    told = sum(number * {"s": 1, "min": 60, "h": 3_600, "d": 86_400}[unit] for unit, number in parts.items())
    assert abs(told - seconds) <= max(0.051, seconds * 0.51)


@pytest.mark.parametrize(
    ("ago", "text"), [(None, "never"), (0, "now"), (0.9, "now"), (-30, "now"), (1, "1 s ago"), (7_200, "2 h ago")]
)
def test_an_age_is_told(ago, text):
    assert wording.format_age(None if ago is None else T0 - timedelta(seconds=ago), T0) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"), (7_200, "2 h"), (200_000, "2 d")],
)
def test_a_column_tells_a_length_of_time_in_one_unit(seconds, text):
    assert wording.format_short(timedelta(seconds=seconds)) == text


def test_an_open_execution_has_no_duration():
    assert wording.duration_of(EXECUTION) is None
    assert wording.duration_of(replace(EXECUTION, completed_at=T0 + timedelta(seconds=9))) == timedelta(seconds=9)
