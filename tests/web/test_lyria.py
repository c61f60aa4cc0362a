"""The page offers Lyria where there is a key, and says what is missing where there is none."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.live import live
from tests.web.conftest import OpenPage


def test_with_a_key_it_can_be_chosen_with_all_its_settings(open_page: OpenPage) -> None:
    with live(genai_api_keys=("any",)) as server:
        studio = open_page(server=server)
        studio.fold("Model")
        studio.page.get_by_role("radio", name=re.compile("lyria-realtime")).check()
        studio.fold("Settings")
        drums = studio.page.get_by_label("Mute drums")
        drums.check()
        expect(studio.page.locator(".fold-value", has_text="1 set")).to_be_visible()
        drums.uncheck()
        expect(studio.page.locator(".fold-value", has_text="as the model likes")).to_be_visible()
        mode = studio.page.get_by_label("Music generation mode")
        assert mode.locator("option").all_inner_texts()[1:] == [
            "Quality",
            "Diversity",
            "Vocalization",
        ]


def test_without_a_key_it_says_what_to_do(open_page: OpenPage) -> None:
    studio = open_page()
    studio.fold("Model")
    expect(studio.page.get_by_role("radio", name=re.compile("lyria-realtime"))).to_be_disabled()
    row = studio.page.locator(".model", has_text="lyria-realtime")
    expect(row).to_contain_text("no key of Google's API is set")
    expect(row).to_contain_text("Set GENAI_API_KEY_1")
