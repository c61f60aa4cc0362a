from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright

from tests.live import Live, until
from tests.web import chromium
from tests.web.meter import METER, RECORDER
from tests.web.npm import install
from tests.web.studio import Studio

#: Chromium itself writes this for every answer that is no 2xx; the page cannot prevent it.
REFUSED = "Failed to load resource"
#: Makes violations of the Content-Security-Policy console errors of a form of our own.
WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
"""

#: Opens the page: `open_page(color_scheme="dark", width=360)`.
OpenPage = Callable[..., Studio]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module only: while it is there an event loop runs, which asynchronous tests cannot."""
    path = chromium.find()
    if path is None:
        pytest.skip("no Chromium here: install it, or run as root where there is apt-get")
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=list(chromium.FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def idle_server(server: Live) -> Live:
    """The module's server, once what an earlier test had asked for is over."""
    until(lambda: server.num_running() == 0)
    return server


@pytest.fixture
def open_page(browser: Browser, idle_server: Live) -> Iterator[OpenPage]:
    """Opens the page; afterwards nothing may have been written to the console as an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(REFUSED):
            errors.append(message.text)

    def open_one(
        width: int = 1200, height: int = 900, server: Live = idle_server, **options: Any
    ) -> Studio:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.add_init_script(METER + RECORDER + WATCH_POLICY)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: errors.append(str(error)))
        studio = Studio(page, server)
        studio.visit()
        return studio

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def studio(open_page: OpenPage) -> Studio:
    """The page in a window of usual size."""
    return open_page()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which finds what bars people with disabilities."""
    folder = install("axe-core@4.14.1", tmp_path_factory.mktemp("axe"))
    return Path(folder, "node_modules", "axe-core", "axe.min.js").read_text()
