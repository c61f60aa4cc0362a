"""Answers that several tests have a server give."""

from __future__ import annotations

import base64

from tests.clients.dialect_server import Exchange, Script, sse

SOUND = b"RIFF and so on"
START = {
    "job_id": "j1",
    "model": "sketch",
    "seed": 42,
    "sample_rate": 48000,
    "channels": 2,
    "duration": 3,
}


def base64_text(sound: bytes) -> str:
    return base64.b64encode(sound).decode()


def completed(sound: bytes = SOUND, **fields: object) -> bytes:
    return sse("completed", audio=base64_text(sound), **fields)


def whole_song(exchange: Exchange) -> None:
    exchange.begin()
    exchange.tell("queued", position=1, eta_seconds=2.5)
    exchange.tell("start", **START, of_a_newer_server=[1])
    exchange.tell("progress", progress=50, realtime_factor=0.5, buffer_seconds=1)
    exchange.tell(
        "audio", audio=base64_text(b"\1\2\3\4"), sequence=3, take=1, sample_rate=48000, channels=2
    )
    exchange.tell("warning", code="quiet", message="hardly a sound")
    exchange.tell("of_a_newer_server", mood="blue")
    exchange.write(completed(seed=42))
    exchange.end()


def work(exchange: Exchange) -> None:
    exchange.begin()
    exchange.work_until_gone()


def busy(**headers: str) -> Script:
    body = {"error": "busy", "message": "the only slot is taken", "field": None}
    return lambda exchange: exchange.refuse(503, body, **headers)
