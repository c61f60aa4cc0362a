"""A server that asks for a key: the page asks for it once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live import Live, live
from tests.web.studio import Studio

KEY = "the-key-of-this-test"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Live]:
    with live(api_keys=KEY, admin_keys="another-key") as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def enter(page: Page, key: str) -> None:
    page.get_by_role("dialog").get_by_role("textbox").fill(key)
    page.get_by_role("button", name="Continue").click()


def test_the_page_asks_for_the_key_once(guarded: Live, page: Page) -> None:
    studio = Studio(page, guarded)
    page.goto(guarded.url + "/")
    expect(page.get_by_role("dialog")).to_contain_text("This server asks for a key")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    enter(page, "wrong")
    expect(page.get_by_role("dialog")).to_contain_text("no longer, valid")
    enter(page, KEY)
    expect(page.get_by_role("dialog")).to_have_count(0)
    studio.make("quick", seconds=1)
    studio.visit()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_music_that_was_asked_for_waits_for_the_key(guarded: Live, page: Page) -> None:
    studio = Studio(page, guarded)
    page.goto(guarded.url + "/")
    enter(page, KEY)
    refused = {"error": "unauthorized", "message": "another key", "detail": "another key"}
    page.route("**/api/v1/jobs", lambda r: r.fulfill(status=401, json=refused), times=1)
    studio.ask("quick", seconds=1)
    expect(page.get_by_role("dialog")).to_be_visible()
    enter(page, KEY)
    studio.until_finished()
    jobs = httpx.get(guarded.url + "/api/v1/jobs", headers={"X-API-Key": KEY}).json()["jobs"]
    assert jobs[0]["state"] == "completed"
