"""The form of a replay in a real browser where the app is another one by now: each difference stands at its field."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk
from tests.e2e.test_bulk import HEADERS, TOKEN, make_fast, started
from tests.e2e.test_operator import expect_status

SECONDS = 1_000.0
APP = "Product Description Writer"
TODAY = {"Product Name": "Lamp", "Product Facts": "Brass, 40 cm", "Tone": "Warm"}
# An option and a parameter that the app had once; "Product Facts", which has no default, it had not yet.
THEN = {"Product Name": "Lamp", "Tone": "Cheeky *wink*", "Old Slogan": "Light, always"}


def register_old(desk: Desk) -> None:
    """Register an execution with the inputs that its app took once."""
    listed = httpx.get(desk.sandbox_url + "/api/apps", headers=HEADERS).json()["data"]
    (app_id,) = [each["appId"] for each in listed if each["name"] == APP]
    address = f"{desk.sandbox_url}/api/apps/{app_id}/executions"
    answer = httpx.post(address, headers=HEADERS, json={"inputs": TODAY}).raise_for_status()
    body: dict[str, Any] = {"executionId": answer.json()["data"]["executionId"], "appId": app_id, "inputs": THEN}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    httpx.post(desk.url + "/api/executions", headers=headers, json=body).raise_for_status()


def expect_order(*expected: Locator) -> None:
    """Expect all of it on the screen, the one below the other."""
    heights = []
    for each in expected:
        expect(each).to_be_visible(timeout=20 * SECONDS)
        box = each.bounding_box()
        assert box is not None
        heights.append(box["y"])
    assert heights == sorted(heights)


@pytest.mark.long
def test_what_the_app_has_changed_since_is_said_at_each_field_and_the_mended_inputs_are_sent(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_fast(make_desk)
    register_old(desk)
    page.goto(f"{desk.url}/execution?id=1")
    expect_status(page, "completed")
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="Replay").click()
    expect(main.get_by_text("Replay of #1")).to_be_visible(timeout=20 * SECONDS)
    facts = main.get_by_role("textbox", name=re.compile("^Product Facts"))
    missing = main.get_by_text("It is not among the old inputs and has no default: give a value.")
    gone = main.get_by_text('Was "Cheeky *wink*", which is no option any more.')
    slogan = main.get_by_role("textbox", name=re.compile("^Old Slogan"))
    expect_order(
        main.get_by_role("textbox", name="Product Name"),
        facts,
        missing,
        main.get_by_role("radio", name="Premium"),
        gone,
        main.get_by_role("radio", name="Medium"),
        slogan,
        main.get_by_text("Send it all the same"),
        main.get_by_role("button", name="Replay"),
    )
    expect(slogan).to_be_disabled()
    expect(slogan).to_have_value('"Light, always"')
    expect(main.get_by_role("radio", checked=True)).to_have_count(0)  # nothing is chosen in the old option's place
    main.get_by_role("button", name="Replay").click()
    refused = main.get_by_text("It has no default: give a value.", exact=True)
    expect_order(facts, refused, main.get_by_role("radio", name="Premium"))
    expect(missing).to_be_hidden()  # the refusal stands in its place
    facts.fill("Copper, 60 cm")
    main.get_by_role("radio", name="Premium").click()
    expect(main.get_by_text('Tone "Cheeky *wink*" → "Premium"')).to_be_visible(timeout=20 * SECONDS)
    expect_order(facts, refused, gone)  # they stay
    main.get_by_role("button", name="Replay").click()
    page.wait_for_url(re.compile(r"/execution\?id=2$"), timeout=20 * SECONDS)
    expect(main.get_by_text("It is done.")).to_be_visible(timeout=20 * SECONDS)
    sent = [each["inputs"] for each in started(desk)]
    assert sent == [TODAY, {"Product Name": "Lamp", "Product Facts": "Copper, 60 cm", "Tone": "Premium"}]
    assert "Traceback" not in desk.read_log()
