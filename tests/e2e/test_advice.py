"""Advice of one's own in a real browser: added, believed before what is built in, kept, and removed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Desk
from tests.e2e.test_bulk import make_executions, make_fast
from tests.e2e.test_triage import open_first_group

SECONDS = 1_000.0
SENTENCE = "The *relight* provider is down until noon. <b>Please</b> wait."


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def advice_of_its_group(page: Page, desk: Desk) -> Locator:
    """Open the page of the one group of failures."""
    page.goto(f"{desk.url}/failures")
    open_first_group(page)
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("To send to the end user")).to_be_visible(timeout=20 * SECONDS)
    return main


def expect_own_advice(shown: Locator) -> None:
    expect(shown.get_by_text("too many requests at once → wait, then replay")).to_be_visible(timeout=20 * SECONDS)
    expect(shown.get_by_text(SENTENCE, exact=True)).to_be_visible()
    expect(shown.get_by_text("added by unnamed operator: the error contains “did not answer”")).to_be_visible()
    expect(shown.get_by_text("replay unchanged")).to_have_count(0)


def open_own_advice(page: Page, desk: Desk, number: int) -> None:
    page.goto(f"{desk.url}/failures")
    page.get_by_text(f"Advice of your own ({number})").click(timeout=20 * SECONDS)
    expect(page.get_by_label("The error contains")).to_be_visible()


@pytest.mark.long
def test_advice_of_one_s_own_replaces_what_is_built_in_until_it_is_removed(make_desk: Callable[..., Desk], page: Page):
    desk = make_fast(make_desk)
    make_executions(desk, "Golden Hour Relight", 1)
    shown = advice_of_its_group(page, desk)
    expect(shown.get_by_text("trouble at Lamina or an AI provider → replay unchanged")).to_be_visible()
    open_own_advice(page, desk, 0)
    page.get_by_label("The error contains").fill("Did NOT  answer")
    choose(page, "It is", "too many requests at once")
    choose(page, "So", "wait, then replay")
    page.get_by_label("What to tell the end user").fill(SENTENCE)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Advice of your own (1)")).to_be_visible(timeout=20 * SECONDS)
    expect(page.get_by_text("in every app: too many requests at once → wait, then replay")).to_be_visible()
    expect_own_advice(advice_of_its_group(page, desk))
    page.reload()
    expect_own_advice(shown)
    open_own_advice(page, desk, 1)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Advice of your own (0)")).to_be_visible(timeout=20 * SECONDS)
    shown = advice_of_its_group(page, desk)
    expect(shown.get_by_text("trouble at Lamina or an AI provider → replay unchanged")).to_be_visible()
    expect(shown.get_by_text(SENTENCE, exact=True)).to_have_count(0)
    assert "Traceback" not in desk.read_log()
