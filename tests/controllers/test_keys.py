"""Who may ask: every route without a key, with a wrong one, a user's and an admin's."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from loguru import logger
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from server.app import create_app
from server.serving import warn_if_public
from server.setting_sources import load
from server.settings import Settings, WrongSetting
from tests.live import ROUTE, Live, live, read_until
from tests.process import running

USER, SECOND_USER, ADMIN = "user-key-1", "user-key-2", "admin-key"
OPEN = {"/health", "/ready"}
ADMINS_ONLY = {
    "/metrics",
    "/api-keys/stats",
    "/api/v1/models/{name}/load",
    "/api/v1/models/{name}/unload",
}
ROUTES = [
    (method, path)
    for path, operations in create_app(Settings()).openapi()["paths"].items()
    for method in operations
]


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    keys = {"api_keys": f"{USER}, {SECOND_USER}", "admin_keys": ADMIN}
    with live(**keys, allow_model_admin=True, lyria_model="ticking") as running_server:
        yield running_server


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def call(
    server: Live, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    address = server.url + path.replace("{name}", "sketch").replace("{", "").replace("}", "")
    return httpx.request(method, address, headers=headers)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_without_a_key_nothing_but_the_two_is_answered(
    server: Live, method: str, path: str
) -> None:
    for headers in (
        {},
        bearer("wrong"),
        {"X-API-Key": ""},
        {"X-API-Key": USER[:-1]},
        bearer("\xe4"),
    ):
        sent = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = call(server, method, path, sent)
        if path in OPEN:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_a_user_may_all_but_what_is_the_admins(server: Live, method: str, path: str) -> None:
    for headers in (bearer(USER), {"X-API-Key": SECOND_USER}, {"authorization": f"bearer {USER}"}):
        answer = call(server, method, path, headers)
        assert (answer.status_code == 403) is (path in ADMINS_ONLY), answer.text
        assert answer.status_code != 401


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_an_admin_may_all(server: Live, method: str, path: str) -> None:
    assert call(server, method, path, bearer(ADMIN)).status_code not in (401, 403)
    assert call(server, method, path, {"X-API-Key": ADMIN}).status_code not in (401, 403)


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", ROUTE, lambda body: (body["error"], body["message"])),
        ("POST", "/generate", lambda body: ("unauthorized", body["detail"])),
        ("POST", "/generate-music", lambda body: ("unauthorized", body["detail"])),
        ("GET", "/music-status/x", lambda body: ("unauthorized", body["detail"])),
        ("GET", "/api/v1/jobs", lambda body: (body["error"], body["detail"])),
        ("GET", "/api/v1/models", lambda body: (body["error"], body["message"])),
    ],
)
def test_each_dialect_says_it_in_its_own_form(server: Live, method, path, told) -> None:
    missing, wrong = call(server, method, path), call(server, method, path, bearer("wrong"))
    for answer, said in ((missing, "X-API-Key"), (wrong, "none of this server's")):
        code, message = told(answer.json())
        assert code == "unauthorized"
        assert said in message
        assert "wrong" not in message


def test_music_with_a_key(server: Live) -> None:
    answer = httpx.post(server.url + ROUTE, json={"description": "x"}, headers=bearer(USER))
    assert '"event":"completed"' in answer.text


def test_the_body_of_who_has_no_key_is_not_read(server: Live) -> None:
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(head.encode() + b"{")
        assert b" 401 " in read_until(connection, b"\r\n")


def test_a_socket_is_told_in_its_own_form(server: Live) -> None:
    address = f"ws://127.0.0.1:{server.port}{ROUTE}"
    with connect(address) as talk:
        refusal = json.loads(talk.recv(timeout=10))
        assert (refusal["event"], refusal["error"]) == ("error", "unauthorized")
        with pytest.raises(ConnectionClosed) as closed:
            talk.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
    with connect(address, additional_headers=bearer(USER)) as talk:
        talk.send('{"description": "x", "duration": 1}')
        assert json.loads(talk.recv(timeout=10))["event"] == "start"


def test_the_page_and_the_documentation_are_open(server: Live) -> None:
    for path in ("/", "/page/main.js", "/client/continuo.js", "/docs", "/openapi.json"):
        assert call(server, "GET", path).status_code == 200


def test_a_page_elsewhere_may_send_a_key(server: Live) -> None:
    asked = {
        "Origin": "https://mine.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = call(server, "OPTIONS", ROUTE, asked)
    assert answer.status_code == 200
    assert "authorization" in answer.headers["access-control-allow-headers"]


def test_refusals_are_counted(server: Live) -> None:
    call(server, "POST", ROUTE)
    text = call(server, "GET", "/metrics", bearer(ADMIN)).text
    line = 'continuo_requests_total{dialect="musicgen-sse",model="",outcome="unauthorized"}'
    assert line in text


def test_without_admin_keys_those_of_users_are_good_for_all() -> None:
    with live(api_keys=USER) as server:
        assert call(server, "GET", "/metrics").status_code == 401
        assert call(server, "GET", "/metrics", bearer(USER)).status_code == 200


def test_with_admin_keys_only_music_is_for_everybody() -> None:
    with live(admin_keys=ADMIN) as server:
        assert call(server, "GET", "/metrics").status_code == 401
        assert call(server, "GET", "/metrics", bearer(ADMIN)).status_code == 200
        assert server.events(description="x")[-1]["event"] == "completed"


def test_the_description_offers_to_enter_a_key(server: Live) -> None:
    description = call(server, "GET", "/openapi.json").json()
    schemes = description["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) is (path not in OPEN)
            assert ("401" in operation["responses"]) is (path not in OPEN)


def test_a_key_that_no_header_can_carry_stops_the_start_untold() -> None:
    with pytest.raises(WrongSetting) as wrong:
        load([], {"API_KEYS": "good-key, sch\xf6n"}, Path("no.env"))
    assert str(wrong.value).startswith("API_KEYS is wrong: a key must be of visible ASCII")
    assert "good-key" not in repr(Settings(api_keys="good-key"))


def test_keys_are_in_no_log(tmp_path: Path) -> None:
    settings = {"API_KEYS": USER, "ADMIN_KEYS": ADMIN, "LOG_LEVEL": "TRACE"}
    with running(tmp_path, **settings) as process:
        for key in (USER, ADMIN, "wrong-key"):
            httpx.get(process.url + "/api/v1/models", headers=bearer(key))
            httpx.get(process.url + "/metrics", headers={"X-API-Key": key})
            address = f"ws://127.0.0.1:{process.port}{ROUTE}"
            with connect(address, additional_headers=bearer(key)) as talk:
                with suppress(ConnectionClosed):  # a refusal does not wait for it
                    talk.send('{"description": "x", "duration": 1}')
                talk.recv(timeout=10)
        assert "/api/v1/models" in process.log
        for key in (USER, ADMIN, "wrong-key"):
            assert key not in process.log


@pytest.mark.parametrize(
    ("family", "host", "warned"),
    [
        (socket.AF_INET, "0.0.0.0", 1),
        (socket.AF_INET, "127.0.0.1", 0),
        (socket.AF_INET6, "::", 1),
        (socket.AF_INET6, "::1", 0),
    ],
)
def test_a_public_address_is_warned_of_once(
    family: socket.AddressFamily, host: str, warned: int
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING")
    with socket.socket(family) as bound:  # it never listens
        bound.bind((host, 0))
        warn_if_public([bound, bound])
    logger.remove(sink)
    assert len(said) == warned
    assert all("API_KEYS is not set" in line for line in said)


def test_this_machines_own_address_is_not_warned_of(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        assert "API_KEYS is not set" not in process.log
