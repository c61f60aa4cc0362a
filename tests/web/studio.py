"""The page as its users see it: what they press and what they read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.live import Live
from tests.web.meter import CLOCKS, LOUDNESS

WAIT_MS = 15_000


class Studio:
    """A page that is open. Locators are by role and name, as assistive technology finds things."""

    def __init__(self, page: Page, server: Live) -> None:
        self.page = page
        self.server = server
        page.set_default_timeout(WAIT_MS)

    def visit(self) -> None:
        """Open the page, or open it anew, and wait until it knows its models."""
        self.page.goto(self.server.url + "/")
        expect(self.page.locator(".model-picker summary")).to_contain_text("ticking")

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label("What should it sound like?")

    @property
    def generate(self) -> Locator:
        return self.page.get_by_role("button", name="Generate")

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="Stop", exact=True)

    @property
    def player(self) -> Locator:
        return self.page.get_by_role("region", name="Player")

    @property
    def takes(self) -> Locator:
        return self.page.locator("article.take")

    @property
    def rows(self) -> Locator:
        return self.page.locator(".rows > li")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    def fold(self, name: str) -> None:
        """Open or close Model or Settings."""
        self.page.locator(".fold > summary", has_text=re.compile(f"^{name}")).click()

    def choose_model(self, name: str) -> None:
        self.fold("Model")
        self.page.locator("label.model", has_text=name).get_by_role("radio").check()
        self.fold("Model")

    def set_slider(self, name: str, value: float) -> None:
        self.page.get_by_label(name, exact=True).fill(str(value))

    def ask(self, prompt: str, seconds: int = 3, num_takes: int = 1) -> None:
        """Fill in the form and press Generate."""
        self.prompt.fill(prompt)
        self.set_slider("Duration", seconds)
        self.page.get_by_role("radio", name=str(num_takes), exact=True).check()
        self.generate.click()

    def make(self, prompt: str, seconds: int = 3, num_takes: int = 1) -> None:
        """The same, and wait until all is made."""
        self.ask(prompt, seconds, num_takes)
        self.until_finished()

    def until_finished(self) -> None:
        expect(self.generate).to_be_visible(timeout=WAIT_MS)
        expect(
            self.page.locator(".is-making, .is-starting, .is-waiting, .is-queued")
        ).to_have_count(0)

    def position_seconds(self) -> float:
        """Where the player is, as a screen reader would say it."""
        return float(self.player.get_by_role("slider", name="Position").input_value())

    def clock_seconds(self) -> float:
        """How far the sound card has got."""
        return float(max(self.page.evaluate(CLOCKS)))

    def loudness(self) -> float:
        return float(self.page.evaluate(LOUDNESS))

    def until(self, holds: Callable[[], bool], within_seconds: float = 10) -> None:
        for _ in range(int(within_seconds / 0.02)):
            if holds():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError("it never came to hold")

    def seed(self, take: int = 0) -> int:
        found = re.search(r"seed (\d+)", self.takes.nth(take).inner_text())
        assert found
        return int(found[1])

    def add_to_favourites(self, take: Locator) -> None:
        """Press the star, and wait until that is stored."""
        take.get_by_role("button", name="Add to favourites").click()
        expect(take.get_by_role("button", name="Remove from favourites")).to_be_visible()

    def press_download(self, place: Locator, file: str) -> Path:
        """Take `file` (WAV, FLAC, …) from the menu of a take or a row."""
        self.open_menu(place)
        with self.page.expect_download() as downloading:
            place.get_by_role("button", name=file, exact=True).click()
        return Path(downloading.value.path())

    def open_menu(self, place: Locator) -> None:
        """Show what a take or a row can be taken away as."""
        menu = place.locator("details.menu")
        if menu.get_attribute("open") is None:
            menu.locator("summary").click()

    def completed_file(self, press: Callable[[], None]) -> bytes:
        """The file that the page fetches at the end of the generation that `press` starts."""
        press()
        self.until_finished()
        return bytes(self.page.evaluate("async () => Array.from(new Uint8Array(await recorded))"))
