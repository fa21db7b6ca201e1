"""The settings of retention: what they mean, and a refusal that names the setting."""

import pytest

from lamina_core import config, errors
from lamina_core.domain import Status
from lamina_core.insights.storage import describe_keep
from lamina_core.keep import ENDED, Keep, read_keep


def test_nothing_is_deleted_unless_it_is_said():
    assert config.load({}).keep == Keep()
    assert not Keep().is_on


def test_a_star_stands_for_every_ended_status_that_is_not_named():
    kept = config.load({"LAMINA_DESK_KEEP": " completed = 90,failed=365, *=180 "}).keep.executions
    assert kept == dict.fromkeys(ENDED, 180) | {Status.COMPLETED: 90, Status.FAILED: 365}
    assert not kept.keys() & {Status.RUNNING, Status.QUEUED, Status.STARTING, Status.START_UNCONFIRMED, Status.UNKNOWN}


def test_what_is_not_named_is_kept_for_ever():
    assert read_keep("gone=7", "", "").executions == {Status.GONE: 7}


@pytest.mark.parametrize(
    ("executions", "told"),
    [
        ("running=3", "names running: what has not ended is always kept"),
        ("start_unconfirmed=3", "always kept"),
        ("done=3", "names 'done', which is no status"),
        ("completed", "has no ="),
        ("completed=0", "whole days"),
        ("completed=-1", "whole days"),
        ("completed=1.5", "whole days"),
        ("completed=٣", "whole days"),
        ("completed=1,completed=2", "names completed twice"),
        ("*=1,*=2", r"names \* twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(executions, told):
    with pytest.raises(errors.ConfigurationError, match=told) as refused:
        config.load({"LAMINA_DESK_KEEP": executions})
    assert "LAMINA_DESK_KEEP" in str(refused.value)


@pytest.mark.parametrize("name", ["LAMINA_DESK_KEEP_PAYLOADS", "LAMINA_DESK_KEEP_DELIVERIES"])
def test_parts_are_not_kept_longer_than_the_whole(name):
    with pytest.raises(errors.ConfigurationError, match=f"{name}=61 is longer"):
        config.load({"LAMINA_DESK_KEEP": "completed=30,*=60", name: "61"})
    assert config.load({"LAMINA_DESK_KEEP": "completed=30,*=60", name: "60"}).keep.is_on
    assert config.load({"LAMINA_DESK_KEEP": "completed=30", name: "999"}).keep.is_on, "failures are kept for ever"
    assert config.load({name: "999"}).keep.is_on
    with pytest.raises(errors.ConfigurationError, match=f"{name} must give whole days"):
        config.load({name: "soon"})


def test_the_rules_are_told_in_words():
    assert describe_keep(Keep()) == "everything, for ever"
    told = describe_keep(read_keep("completed=30,failed=365,start_failed=30", "20", "10"))
    assert told == "completed, start failed 30 days; failed 365 days; inputs and outputs 20 days; deliveries 10 days"
    assert describe_keep(read_keep("", "20", "")) == "executions for ever; inputs and outputs 20 days"
