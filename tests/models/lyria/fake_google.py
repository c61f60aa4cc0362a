"""A service that speaks as Google's does, over TLS on loopback, and behaves as its keys say.

The unmodified client finds it by the environment alone: `GOOGLE_GEMINI_BASE_URL`, `SSL_CERT_FILE`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import trustme
from aiohttp import WSMsgType, web

SAMPLE_RATE = 48_000
CHUNK_SECONDS = 2
MUSIC_ROUTE = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateMusic"
SONG_ROUTE = "/{version}/interactions"


class Session:
    """One session of the live music service, seen from Google."""

    def __init__(self, request: web.Request) -> None:
        self.key = request.headers.get("x-goog-api-key", "")
        self.version = request.match_info["version"]
        #: What the client sent after its set-up.
        self.frames: list[dict[str, Any]] = []
        self.model = ""
        self.num_seconds_sent = 0.0
        self.closed_at: float | None = None
        self._request = request
        self._listening: asyncio.Future[None] | None = None
        self._socket = web.WebSocketResponse(max_msg_size=0, autoclose=False, compress=False)

    # ── what a behaviour is made of ──────────────────────────────────────────────────────────

    async def open(self, deaf: bool = False) -> None:
        """Shake hands, and hear what is wanted until it is to play; after that, no more if `deaf`,
        which leaves a close without an answer."""
        await self.shake_hands()
        await self._socket.send_str('{"setupComplete": {}}')
        while not self.frames or "playbackControl" not in self.frames[-1]:
            self.frames.append(await self._receive())
        if not deaf:
            self._listening = asyncio.ensure_future(self._listen())

    async def shake_hands(self) -> None:
        await self._socket.prepare(self._request)
        self.model = (await self._receive())["setup"]["model"]

    async def play(self, seconds: float = 3600, pause_seconds: float = 0.0) -> None:
        """Send so much music, or until the client leaves."""
        first = round(self.num_seconds_sent * SAMPLE_RATE)
        for start in range(
            first, first + round(seconds * SAMPLE_RATE), CHUNK_SECONDS * SAMPLE_RATE
        ):
            if self.client_left:
                return
            end = min(start + CHUNK_SECONDS * SAMPLE_RATE, first + round(seconds * SAMPLE_RATE))
            await self.send_sound(self.music(start, end))
            self.num_seconds_sent = end / SAMPLE_RATE
            await asyncio.sleep(pause_seconds)

    async def send_sound(self, pcm: bytes, mime_type: str = "audio/l16;rate=48000") -> None:
        chunk = {"data": base64.b64encode(pcm).decode(), "mimeType": mime_type}
        await self.send({"serverContent": {"audioChunks": [chunk]}})

    async def send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._socket.send_str(text)

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code=code, message=reason.encode())

    async def abort(self) -> None:
        """As when a cable is cut."""
        assert self._request.transport is not None
        self._request.transport.abort()

    async def silence(self) -> None:
        """Say nothing until the client leaves."""
        await (self._listening or self._listen())

    # ── what it heard ────────────────────────────────────────────────────────────────────────

    @property
    def client_left(self) -> bool:
        return self.closed_at is not None or self._request.transport is None

    @property
    def prompts(self) -> list[dict[str, Any]]:
        (found,) = [f["clientContent"] for f in self.frames if "clientContent" in f]
        prompts: list[dict[str, Any]] = found["weightedPrompts"]
        return prompts

    @property
    def configuration(self) -> dict[str, Any]:
        (found,) = [f["musicGenerationConfig"] for f in self.frames if "musicGenerationConfig" in f]
        configuration: dict[str, Any] = found
        return configuration

    def music(self, start: int, end: int) -> bytes:
        """The frames from `start` to `end`: noise that prompts and seed decide, never above half
        of full scale."""
        return fake_music(self.configuration["seed"], self.prompts[0]["text"], start, end)

    async def _listen(self) -> None:
        """Hear everything until the client leaves."""
        closing = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
        while (message := await self._socket.receive()).type not in closing:
            self.frames.append(json.loads(message.data))
        self.closed_at = time.monotonic()
        await self._socket.close()

    async def _receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self._socket.receive_str())
        return frame


def fake_music(seed: int, prompt: str, start: int, end: int) -> bytes:
    """Interleaved int16 noise; a frame is the same whatever part it is asked for in."""
    tables = np.random.default_rng([seed, *prompt.encode()]).integers(
        -16_000, 16_000, (9973, 2), dtype=np.int16
    )
    return tables[np.arange(start, end) % len(tables)].astype("<i2").tobytes()


Behaviour = Callable[[Session], Awaitable[None]]


async def plays(session: Session) -> None:
    """As it should be."""
    await session.open()
    await session.play()


class FakeGoogle:
    """The running service. `behave` says what happens in the sessions of a key, one after the
    other, the last ever again; keys nobody spoke of play. `songs` answers for whole songs."""

    def __init__(self, certificate: Path) -> None:
        self.port = 0
        self.sessions: list[Session] = []
        self.song_requests: list[tuple[str, dict[str, Any]]] = []
        self.songs: dict[str, Callable[[dict[str, Any]], web.Response]] = {}
        self.environment = {"SSL_CERT_FILE": str(certificate)}
        self._behaviours: dict[str, list[Behaviour]] = {}
        self._arrived = 0.0

    def behave(self, key: str, *behaviours: Behaviour) -> None:
        self._behaviours[key] = list(behaviours)

    def reset(self) -> None:
        self.sessions.clear()
        self.song_requests.clear()
        self._behaviours.clear()
        self.songs.clear()

    def keys_used(self) -> list[str]:
        return [session.key for session in self.sessions]

    async def answer_music(self, request: web.Request) -> web.StreamResponse:
        session = Session(request)
        behaviours = self._behaviours.get(session.key, [plays])
        number = self.keys_used().count(session.key)
        self.sessions.append(session)
        behaviour = behaviours[min(number, len(behaviours) - 1)]
        try:
            with suppress(ConnectionError, TypeError):  # the client left; so it does not receive
                await behaviour(session)
        except web.HTTPException as refusal:
            return web.Response(status=refusal.status, text=refusal.text)
        finally:
            session.closed_at = session.closed_at or time.monotonic()
        return session._socket if session._socket.prepared else web.Response(status=500)

    async def answer_song(self, request: web.Request) -> web.Response:
        key, body = request.headers.get("x-goog-api-key", ""), await request.json()
        self.song_requests.append((key, body))
        return self.songs[key](body)


def sings(seconds: int, lyrics: str = "la la la") -> Callable[[dict[str, Any]], web.Response]:
    """A song that the input decides: an MP3 of so many seconds, in the form of the model's answers,
    which is another for the previews."""

    def answer(body: dict[str, Any]) -> web.Response:
        audio = {"type": "audio", "mime_type": "audio/mp3"}
        audio["data"] = base64.b64encode(_mp3(body["input"], seconds)).decode()
        content = [audio, {"type": "text", "text": lyrics}]
        known = {"id": "1", "status": "completed", "model": body["model"]}
        if body["model"].endswith("preview"):
            return web.json_response({**known, "outputs": content})
        return web.json_response({**known, "steps": [{"type": "model_output", "content": content}]})

    return answer


@lru_cache
def _mp3(words: str, seconds: int) -> bytes:
    noise = np.frombuffer(fake_music(0, words, 0, seconds * 44_100), "<i2") / 2**16
    file = io.BytesIO()
    soundfile.write(file, noise.reshape(-1, 2), 44_100, format="MP3")
    return file.getvalue()


def refuses_to_sing(status: int, message: str) -> Callable[[dict[str, Any]], web.Response]:
    def answer(body: dict[str, Any]) -> web.Response:
        return web.json_response({"error": {"code": status, "message": message}}, status=status)

    return answer


def refuses(status: int, message: str) -> Behaviour:
    """The handshake is answered with an error."""

    async def behaviour(session: Session) -> None:
        body = json.dumps({"error": {"code": status, "message": message}})
        error = web.HTTPException(text=body, content_type="application/json")
        error.set_status(status)
        raise error

    return behaviour


def plays_then(seconds: float, *then: Behaviour) -> Behaviour:
    """So much music, and then something else."""

    async def behaviour(session: Session) -> None:
        await session.open()
        await session.play(seconds)
        for each in then:
            await each(session)

    return behaviour


def closes(code: int, reason: str = "") -> Behaviour:
    async def behaviour(session: Session) -> None:
        await session.close(code, reason)

    return behaviour


def opens_then(*then: Behaviour) -> Behaviour:
    """No music at all before something else."""
    return plays_then(0, *then)


@contextmanager
def fake_google(folder: Path) -> Iterator[FakeGoogle]:
    """The service on a free port, on a thread with a loop of its own."""
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    google = FakeGoogle(certificate)
    stop: asyncio.Event
    loop: asyncio.AbstractEventLoop
    started = threading.Event()

    async def serve() -> None:
        nonlocal stop, loop
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        app = web.Application(client_max_size=2**24)
        app.router.add_get(MUSIC_ROUTE, google.answer_music)
        app.router.add_post(SONG_ROUTE, google.answer_song)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        google.port = runner.addresses[0][1]
        google.environment["GOOGLE_GEMINI_BASE_URL"] = f"https://127.0.0.1:{google.port}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="fake Google")
    thread.start()
    try:
        assert started.wait(20)
        yield google
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
