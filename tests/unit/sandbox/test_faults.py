"""Faults are named, parsed and handed out in order."""

import pytest

from lamina_core.sandbox import faults
from lamina_core.sandbox.faults import Armed, Armory, Fault, Name


def test_every_fault_has_a_meaning():
    assert set(faults.MEANINGS) == set(Name)


def test_every_fault_but_the_key_rotation_strikes_requests_or_deliveries():
    assert set(Name) - {Name.ROTATED_KEY} == faults.REQUEST_FAULTS | faults.DELIVERY_FAULTS
    assert not faults.REQUEST_FAULTS & faults.DELIVERY_FAULTS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("slow", Fault(Name.SLOW)),
        (" slow;seconds=2.5 ", Fault(Name.SLOW, 2.5)),
        ("late_webhook; seconds=90", Fault(Name.LATE_WEBHOOK, 90.0)),
    ],
)
def test_a_fault_is_a_name_with_seconds_if_wanted(text, fault):
    assert faults.parse(text) == fault


@pytest.mark.parametrize(
    "text", ["slow;2", "slow;seconds=x", "slow;seconds=-1", "slow;seconds=1e3", "slow;seconds=3601"]
)
def test_seconds_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="seconds"):
        faults.parse(text)


@pytest.mark.parametrize("text", ["", "sloow", "SLOW"])
def test_an_unknown_name_is_answered_with_the_good_ones(text):
    with pytest.raises(ValueError, match=r"known are rate_limited, .*rotated_key"):
        faults.parse(text)


def test_a_document_arms_with_filters():
    armed = faults.parse_document(
        {"fault": "server_error", "times": 3, "path": "/executions", "method": "post", "seconds": 2}
    )

    assert armed == Armed(Fault(Name.SERVER_ERROR, 2.0), 3, "/executions", "POST")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"fault": "nope"},
        {"fault": "slow", "times": 0},
        {"fault": "slow", "times": True},
        {"fault": "slow", "times": "2"},
        {"fault": "slow", "seconds": "2"},
        {"fault": "slow", "seconds": True},
        {"fault": "slow", "seconds": -1},
        {"fault": "slow", "path": 3},
        {"fault": "slow", "method": ["GET"]},
        {"fault": "slow", "tmes": 2},
    ],
)
def test_a_document_that_is_not_understood_is_refused(document):
    with pytest.raises(ValueError, match=r"\w"):
        faults.parse_document(document)


def test_markers_are_found_in_texts_and_several_in_one():
    found = faults.find_markers(["a [fault:slow;seconds=1] b [fault:lost_webhook]", 3, None, "plain"])

    assert found == (Fault(Name.SLOW, 1.0), Fault(Name.LOST_WEBHOOK))


def test_armed_faults_serve_their_number_of_times_in_order():
    armory = Armory()
    armory.arm(Armed(Fault(Name.SERVER_ERROR), 2, "", ""))
    armory.arm(Armed(Fault(Name.UNAVAILABLE), 1, "", ""))

    taken = [armory.take_for_request("GET", "/v1/apps") for _ in range(4)]

    assert [fault and fault.name for fault in taken] == ["server_error", "server_error", "unavailable", None]
    assert armory.listed() == ()


def test_an_armed_fault_waits_for_its_path_and_method():
    armory = Armory()
    armory.arm(Armed(Fault(Name.SERVER_ERROR), 1, "/runs", "POST"))

    assert armory.take_for_request("GET", "/v1/runs") is None
    assert armory.take_for_request("POST", "/v1/apps") is None
    assert armory.take_for_request("POST", "/v1/apps/a/runs") is not None


def test_a_webhook_fault_waits_for_a_delivery_and_a_request_fault_for_a_request():
    armory = Armory()
    armory.arm(Armed(Fault(Name.LOST_WEBHOOK), 1, "", ""))
    armory.arm(Armed(Fault(Name.HTML), 1, "", ""))

    assert armory.take_for_request("GET", "/v1/apps") == Fault(Name.HTML)
    assert armory.take_for_delivery("http://127.0.0.1/hook") == Fault(Name.LOST_WEBHOOK)


@pytest.mark.parametrize(
    ("name", "method", "path", "applies"),
    [
        (Name.ANSWER_LOST, "POST", "/v1/apps/a/runs", True),
        (Name.ANSWER_LOST, "POST", "/api/apps/a/executions", True),
        (Name.ANSWER_LOST, "GET", "/v1/runs", False),
        (Name.ANSWER_LOST, "POST", "/v1/runs/x/cancel", False),
        (Name.UNKNOWN_STATUS, "GET", "/v1/executions/x", True),
        (Name.UNKNOWN_STATUS, "GET", "/v1/apps", False),
        (Name.LATE_WEBHOOK, "GET", "/v1/apps", False),
    ],
)
def test_a_fault_is_not_used_up_by_a_request_that_it_cannot_strike(name, method, path, applies):
    assert faults.applies_to_request(name, method, path) is applies


def test_clearing_disarms_everything():
    armory = Armory()
    armory.arm(Armed(Fault(Name.HTML), 5, "", ""))

    armory.clear()

    assert armory.take_for_request("GET", "/v1/apps") is None
