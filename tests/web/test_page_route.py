"""How the page and the browser client are served."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from server.controllers.page import CLIENT, WEB
from tests.live import Live

MODULES = sorted(f"/page/{path.relative_to(WEB).as_posix()}" for path in WEB.rglob("*.js"))
MODULES += sorted(f"/client/{path.name}" for path in CLIENT.glob("*.js"))


def test_the_page_has_a_strict_policy(server: Live) -> None:
    page = httpx.get(server.url + "/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*|data:", policy)
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_the_page_refers_to_nothing_elsewhere() -> None:
    files = [*WEB.rglob("*"), *CLIENT.rglob("*")]
    for path in files:
        if path.suffix in (".js", ".css", ".html"):
            found = re.findall(r"https?://[\w.-]+", path.read_text())
            assert set(found) <= {"http://www.w3.org", "http://127.0.0.1"}, path


@pytest.mark.parametrize("path", MODULES)
def test_modules_have_their_type(server: Live, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


def test_what_has_not_changed_is_not_sent_again(server: Live) -> None:
    first = httpx.get(server.url + "/client/continuo.js")
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(
        server.url + "/client/continuo.js", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_the_client_is_the_file_that_users_get(server: Live) -> None:
    served = httpx.get(server.url + "/client/continuo.js", headers={"Origin": "https://a.example"})
    assert served.content == Path(CLIENT, "continuo.js").read_bytes()
    assert served.headers["access-control-allow-origin"] == "*"  # for pages of other origins


def test_head_and_other_methods(server: Live) -> None:
    head = httpx.head(server.url + "/")
    assert (head.status_code, head.content) == (200, b"")
    assert httpx.post(server.url + "/").status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/page/none.js", "/page/", "/page/views", "/page/%00", "/client/../../server/app.py",
     "/page/..%2fapp.py", "/page/" + "a" * 5000],
)  # fmt: skip
def test_nothing_else_is_served(server: Live, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"
