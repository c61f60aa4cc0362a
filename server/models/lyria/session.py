"""One session of Google's live music service, from the handshake to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from server.events import Samples
from server.models.lyria.faults import Fault, Kind, fault_of
from server.models.lyria.pcm import Decoder
from server.models.lyria.wish import Wish
from server.models.upstream import Upstream

if TYPE_CHECKING:
    from google.genai import Client

UPSTREAM_NAME = "models/lyria-realtime-exp"
#: A peer that does not answer a close is not waited for any longer.
CLOSE_SECONDS = 0.5


@dataclass(frozen=True)
class Filtered:
    """Google takes no notice of a prompt."""

    text: str
    reason: str


Heard: TypeAlias = "Samples | Filtered"


async def listen(client: Client, wish: Wish, upstream: Upstream) -> AsyncGenerator[Heard, None]:
    """What a new session sends, for as long as anybody listens.

    Closing the generator closes the session. Raises `Fault` when the session ends, whyever.
    """
    pump = _Pump(client, wish)
    decoder, sound_seconds = Decoder(), upstream.first_sound_seconds
    try:
        patience = f"no session within {upstream.setup_seconds:g} s"
        await pump.next(upstream.setup_seconds, patience)  # it is open
        opened_at = heard_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now - opened_at > upstream.session_seconds:
                raise Fault(Kind.ENDED, f"the session is {upstream.session_seconds:g} s old")
            patience = f"no sound for {sound_seconds:g} s"
            message = await pump.next(heard_at + sound_seconds - now, patience)
            if filtered := message.filtered_prompt:
                yield Filtered(filtered.text or "", filtered.filtered_reason or "")
            content = message.server_content
            for chunk in (content and content.audio_chunks) or ():
                samples = decoder.decode(chunk.data or b"", chunk.mime_type)
                if samples.shape[1]:
                    yield samples
                    heard_at, sound_seconds = time.monotonic(), upstream.gap_seconds
    finally:
        await pump.stop()


class _Pump:
    """Reads a session on a task of its own, so that nobody who reads slowly slows it down: Google
    ends a session that is not read.

    Only the task touches the client. A TypeError inside the client's context would be taken by it
    for an old version of websockets and tried again, so nothing of ours happens there.
    """

    def __init__(self, client: Client, wish: Wish) -> None:
        self._client = client
        self._prompts = wish.weighted_prompts()
        self._configuration = wish.configuration()
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._session: Any = None
        self._task = asyncio.create_task(self._run())

    async def next(self, within_seconds: float, otherwise: str) -> Any:
        """The session once it is open, then its messages. Raises `Fault` if it ends, or says
        nothing for so long."""
        with anyio.move_on_after(within_seconds):
            item = await self._inbox.get()
            if isinstance(item, BaseException):
                raise fault_of(item) from None
            return item
        raise Fault(Kind.TROUBLE, otherwise)

    async def stop(self) -> None:
        """Close the session: the peer is told at once, and cut off if it does not answer."""
        self._task.cancel()
        await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        if not self._task.done() and self._session is not None:
            self._session._ws.transport.abort()  # the client has no public way

    async def _run(self) -> None:
        try:
            await self._read()
            self._inbox.put_nowait(Fault(Kind.ENDED, "the session is over"))
        except Exception as error:
            self._inbox.put_nowait(error)

    async def _read(self) -> None:
        async with self._client.aio.live.music.connect(model=UPSTREAM_NAME) as session:
            self._session = session
            await session.set_weighted_prompts(self._prompts)
            await session.set_music_generation_config(self._configuration)
            await session.play()
            self._inbox.put_nowait(session)
            async for message in session.receive():
                self._inbox.put_nowait(message)
