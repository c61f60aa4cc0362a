"""Both themes, the width of a phone, and people who use assistive technology."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenPage
from tests.web.studio import Studio

THEMES = ("light", "dark")
GROUND = "getComputedStyle(document.body).backgroundColor"
WIDTH = "document.documentElement.scrollWidth"


def _brightness(studio: Studio) -> int:
    red, green, blue = studio.page.evaluate(f"{GROUND}.match(/\\d+/g).map(Number)")
    return int(red + green + blue) // 3


def test_the_theme_is_the_system_s_until_one_is_chosen(open_page: OpenPage) -> None:
    assert _brightness(open_page(color_scheme="light")) > 200
    studio = open_page(color_scheme="dark")
    assert _brightness(studio) < 50
    studio.page.get_by_role("button", name="Change to the light theme").click()
    assert _brightness(studio) > 200
    studio.visit()
    assert _brightness(studio) > 200
    studio.page.get_by_role("button", name="Change to the dark theme").click()
    assert _brightness(studio) < 50


def test_a_phone_never_scrolls_sideways(open_page: OpenPage) -> None:
    studio = open_page(width=360, height=740)
    assert studio.page.evaluate(WIDTH) == 360
    studio.fold("Model")
    studio.fold("Settings")
    assert studio.page.evaluate(WIDTH) == 360
    studio.make("an-endless-word-" * 20, seconds=2, num_takes=4)
    assert studio.page.evaluate(WIDTH) == 360
    studio.visit()
    expect(studio.rows).to_have_count(4)
    assert studio.page.evaluate(WIDTH) == 360


def test_nothing_moves_for_those_who_asked(open_page: OpenPage) -> None:
    studio = open_page(reduced_motion="reduce")
    studio.ask("step 0.2", seconds=10)
    expect(studio.page.locator(".is-making")).to_have_count(1)
    frontier = "getComputedStyle(document.querySelector('.is-making .wave'), '::after')"
    assert studio.page.evaluate(f"{frontier}.animationName") == "none"
    studio.stop.click()


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing(open_page: OpenPage, axe: str, theme: str) -> None:
    studio = open_page(color_scheme=theme, reduced_motion="reduce")
    _check(studio, axe)
    studio.fold("Model")
    studio.fold("Settings")
    _check(studio, axe)
    studio.make("quick", seconds=2, num_takes=2)
    studio.takes.first.locator("summary", has_text="Download").click()
    _check(studio, axe)
    studio.make("explode", seconds=2)
    expect(studio.alert).to_have_count(1)
    _check(studio, axe)


def _check(studio: Studio, axe: str) -> None:
    studio.page.evaluate(axe)
    found = studio.page.evaluate("axe.run({ resultTypes: ['violations'] })")
    violations = [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    assert violations == []
