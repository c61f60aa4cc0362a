"""What both clients say when a server refuses, breaks or is not there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from clients import events
from clients.errors import (
    BadRequest,
    Busy,
    ConnectionLost,
    GenerationFailed,
    KeyRefused,
    NotReachable,
    UnexpectedAnswer,
)
from clients.timeouts import Timeouts
from tests.clients.both_clients import Caller
from tests.clients.dialect_server import Exchange, Script, serving
from tests.clients.scripts import busy, completed, whole_song
from tests.live import live


def test_400_names_the_field(caller: Caller) -> None:
    body = {"error": "bad_request", "message": "duration must be 1 to 60; got 99"}
    script: Script = lambda exchange: exchange.refuse(400, {**body, "field": "duration"})  # noqa: E731
    with serving(script) as server, pytest.raises(BadRequest, match="1 to 60; got 99") as caught:
        caller.generate(server.url, "rain", duration=99)
    assert caught.value.field == "duration"
    assert not any(Path("output").iterdir())


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused(caller: Caller, status: int) -> None:
    body = {"error": "unauthorized", "message": "this server asks for a key", "field": None}
    script: Script = lambda exchange: exchange.refuse(status, body)  # noqa: E731
    with serving(script) as server, pytest.raises(KeyRefused, match="asks for a key"):
        caller.generate(server.url, "rain")


def test_a_key_is_sent(caller: Caller) -> None:
    with live(api_keys="good-key") as server:
        with pytest.raises(KeyRefused):
            caller.stream(server.url)
        events_seen = caller.stream(server.url, api_key="good-key")
    assert isinstance(events_seen[-1][1], events.Completed)


def test_503_says_when_to_come_back(caller: Caller) -> None:
    with (
        serving(busy(Retry_After="7")) as server,
        pytest.raises(Busy, match="slot is taken") as caught,
    ):
        caller.generate(server.url, "rain")
    assert caught.value.retry_after_seconds == 7.0


def test_a_busy_server_is_asked_again_when_it_said(caller: Caller) -> None:
    with serving(busy(Retry_After="1"), busy(Retry_After="0"), whole_song) as server:
        began = time.monotonic()
        seen = caller.stream(server.url, retries=2)
    assert [event for _, event in seen[:2]] == [
        events.Retrying(1.0, "the only slot is taken"),
        events.Retrying(0.0, "the only slot is taken"),
    ]
    assert isinstance(seen[-1][1], events.Completed)
    assert 1.0 <= seen[1][0] - began < 3.0
    assert len(server.bodies) == 3


def test_retries_are_counted(caller: Caller) -> None:
    now = busy(Retry_After="0")
    with serving(now, now, now) as server, pytest.raises(Busy):
        caller.stream(server.url, retries=1)
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("code", "retry_after"),
    [("unavailable", "0"), ("busy", "3600"), ("busy", formatdate(time.time() + 3600, usegmt=True))],
)
def test_nobody_waits_in_vain_or_for_an_hour(caller: Caller, code: str, retry_after: str) -> None:
    body = {"error": code, "message": "not now"}
    script: Script = lambda exchange: exchange.refuse(503, body, Retry_After=retry_after)  # noqa: E731
    with serving(script) as server, pytest.raises(Busy, match="not now"):
        caller.stream(server.url, retries=5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda exchange: exchange.refuse(500, {"message": "request id 7"}), "500: request id 7"),
        (lambda exchange: exchange.refuse(404, "<h1>Not here</h1>"), "404: <h1>Not here</h1>"),
        (
            lambda exchange: exchange.refuse(308, "", Location="https://x/"),
            "308 and points to https",
        ),
        (lambda exchange: exchange.begin(content_type="text/html"), "text/html instead of"),
    ],
    ids=["500", "404", "redirect", "web-page"],
)
def test_what_is_no_such_server_is_said(
    caller: Caller, answer: Callable[[Exchange], None], said: str
) -> None:
    with serving(answer) as server, pytest.raises(UnexpectedAnswer, match=said):
        caller.generate(server.url, "rain")


@pytest.mark.parametrize(
    "message",
    [
        b"data: {]\n\n",
        b"data: [1]\n\n",
        b'data: {"progress": 3}\n\n',
        b'data: {"event": "progress", "progress": "half"}\n\n',
        b'data: {"event": "completed", "audio": "no base64!"}\n\n',
        b'data: {"event": "audio", "audio": "AAAA"}\n\n',
    ],
)
def test_what_is_no_event_is_said(caller: Caller, message: bytes) -> None:
    def send(exchange: Exchange) -> None:
        exchange.begin()
        exchange.write(message)
        exchange.end()

    with serving(send) as server, pytest.raises(UnexpectedAnswer, match="the server sent"):
        caller.stream(server.url)


def test_an_error_event_ends_the_call(caller: Caller) -> None:
    def fail(exchange: Exchange) -> None:
        exchange.begin()
        exchange.tell("error", message="the model hangs", error="model_broken")

    with serving(fail) as server, pytest.raises(GenerationFailed, match="model hangs") as caught:
        caller.generate(server.url, "rain")
    assert caught.value.code == "model_broken"


def end_in_order(exchange: Exchange) -> None:
    exchange.end()


def cut_a_message(exchange: Exchange) -> None:
    exchange.write(completed()[:20])
    exchange.connection.shutdown(socket.SHUT_RDWR)


def reset(exchange: Exchange) -> None:
    time.sleep(0.1)  # or the reset would overtake what was sent
    exchange.drop()


@pytest.mark.parametrize("breaking", [end_in_order, cut_a_message, reset])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until-closed"])
def test_a_stream_without_its_end_is_lost(caller: Caller, breaking: Script, chunked: bool) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin(chunked)
        exchange.tell("progress", progress=1)
        breaking(exchange)

    with serving(script) as server, pytest.raises(ConnectionLost):
        caller.generate(server.url, "rain")


def test_a_server_that_dies_before_it_answers_is_lost(caller: Caller) -> None:
    with serving(lambda exchange: exchange.drop()) as server, pytest.raises(ConnectionLost):
        caller.generate(server.url, "rain")


def test_silence_ends_after_the_read_timeout(caller: Caller) -> None:
    silent = threading.Event()

    def fall_silent(exchange: Exchange) -> None:
        exchange.begin()
        exchange.tell("start")
        silent.wait(10)

    with serving(fall_silent) as server:
        began = time.monotonic()
        with pytest.raises(ConnectionLost, match=r"nothing for 0\.3 s"):
            caller.stream(server.url, timeouts=Timeouts(read_seconds=0.3))
        silent.set()
    assert time.monotonic() - began < 3


def test_silence_in_the_middle_of_a_refusal_ends_too(caller: Caller) -> None:
    silent = threading.Event()

    def fall_silent(exchange: Exchange) -> None:
        exchange.send_response(400)
        exchange.send_header("Content-Length", "100")
        exchange.end_headers()
        silent.wait(10)

    with serving(fall_silent) as server:
        with pytest.raises(ConnectionLost, match=r"nothing for 0\.3 s"):
            caller.stream(server.url, timeouts=Timeouts(read_seconds=0.3))
        silent.set()


def test_a_server_that_is_not_there_is_named(caller: Caller) -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(NotReachable, match=f"{url} .connection refused.; start .*make run"):
        caller.generate(url, "rain")


@pytest.mark.parametrize("url", ["localhost:5555", "http://", "http://[::bad", "http://x:port"])
def test_what_is_no_url_is_said(caller: Caller, url: str) -> None:
    with pytest.raises(NotReachable, match="looks like http://"):
        caller.generate(url, "rain")
