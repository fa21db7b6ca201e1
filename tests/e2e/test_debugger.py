"""The webhook debugger in a real browser: a damaged webhook is pasted, its cause read, the fix copied."""

import contextlib
import json
import re
import shlex
import sqlite3
from collections.abc import Callable

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.conftest import Desk, wait_until

SECONDS = 1_000.0
APP = "7a62d16d-dbe6-47f2-875e-efb4c6dea863"  # Studio Product Shot


def receive_webhook(desk: Desk) -> tuple[dict[str, str], bytes]:
    """Let the sandbox run an app and send us its webhook; return what was stored of it."""
    started = httpx.post(
        f"{desk.sandbox_url}/api/apps/{APP}/executions",
        params={"webhook": f"{desk.url}/webhooks/lamina"},
        headers={"x-api-key": "lma_test"},
        json={"inputs": {}},
    )
    assert started.status_code in {200, 201, 202}, started.text

    def stored() -> tuple[str, bytes] | None:
        with contextlib.closing(sqlite3.connect(desk.folder / "demo.db")) as database:
            row: tuple[str, bytes] | None = database.execute("SELECT headers, body FROM delivery").fetchone()
            return row

    headers, body = wait_until(stored, 40, "the sandbox's webhook")  # type: ignore[misc]
    return json.loads(headers), body


def as_curl(headers: dict[str, str], body: str) -> str:
    lines = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    return " \\\n  ".join(["curl -X POST 'https://example.com/hook'", *lines, f"--data-raw {shlex.quote(body)}"])


def badge(page: Page, words: str) -> Locator:
    return page.get_by_test_id("stMain").locator(".stMarkdownBadge", has_text=re.compile(rf"(?<!not ){words}$"))


def test_a_curl_command_with_a_rewritten_body_tells_its_cause_and_the_fix_is_copied(
    make_desk: Callable[..., Desk], context: BrowserContext
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    headers, body = receive_webhook(desk)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=desk.url)
    page = context.new_page()
    page.goto(f"{desk.url}/webhook-debugger")
    page.get_by_label("The webhook", exact=True).fill(
        as_curl(headers, json.dumps(json.loads(body), indent=2, ensure_ascii=False))
    )
    page.get_by_role("button", name="Examine", exact=True).click()

    expect(badge(page, "not authentic as received")).to_be_visible(timeout=20 * SECONDS)
    expect(badge(page, "well-formed")).to_be_visible()
    expect(page.get_by_text("body_reformatted")).to_be_visible()
    expect(page.get_by_text(re.compile("first difference at byte 1"))).to_be_visible()
    page.get_by_text("A receiver that does it right").click()
    source = page.get_by_test_id("stExpander").get_by_test_id("stCode").first
    source.hover()
    source.get_by_role("button").click()
    copied = wait_until(lambda: page.evaluate("navigator.clipboard.readText()"), what="the fix in the clipboard")
    assert "X-Lamina-Webhook-Signature" in str(copied) or "x-lamina-webhook-signature" in str(copied)


def test_a_stored_delivery_is_authentic_and_a_signed_one_reaches_our_receiver(
    make_desk: Callable[..., Desk], page: Page
):
    desk = make_desk(LAMINA_SANDBOX_SPEED="20")
    receive_webhook(desk)
    page.goto(f"{desk.url}/webhook-debugger?delivery=1")
    expect(badge(page, "authentic")).to_be_visible(timeout=20 * SECONDS)
    expect(page.get_by_text("The request id is the id in the body.")).to_be_visible()
    page.goto(f"{desk.url}/webhook-debugger?mode=workbench")
    for case, answer in (("Valid", "HTTP 200"), ("Tampered with", "HTTP 401")):
        page.get_by_role("radio", name=case).click(timeout=20 * SECONDS)
        page.get_by_role("button", name="Sign", exact=True).click()
        page.get_by_role("button", name="Send", exact=True).click(timeout=10 * SECONDS)
        expect(page.get_by_text(answer)).to_be_visible(timeout=10 * SECONDS)
