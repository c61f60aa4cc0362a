"""The two clients behind one face, so that one suite runs over both."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, closing
from typing import Any, Protocol

from clients import aiohttp_client, requests_client
from clients.events import Event
from clients.music import Music

Timed = tuple[float, Event]


class Caller(Protocol):
    """Blocking calls of one client. `options` go to its constructor, `fields` to the call."""

    def generate(self, url: str, description: str, **fields: Any) -> Music: ...

    def stream(self, url: str, num_events: int = 1000, **options: Any) -> list[Timed]:
        """The first `num_events` events with their times of arrival; then the stream is closed."""
        ...


class RequestsCaller:
    def generate(self, url: str, description: str, **fields: Any) -> Music:
        return requests_client.MusicGenClient(url).generate_music(description, **fields)

    def stream(self, url: str, num_events: int = 1000, **options: Any) -> list[Timed]:
        seen: list[Timed] = []
        client = requests_client.MusicGenClient(url, **options)
        with closing(client.stream("rain")) as events:
            for event in events:
                seen.append((time.monotonic(), event))
                if len(seen) == num_events:
                    break
        return seen


class AiohttpCaller:
    def generate(self, url: str, description: str, **fields: Any) -> Music:
        async def call() -> Music:
            async with aiohttp_client.MusicGenClient(url) as client:
                return await client.generate_music(description, **fields)

        return asyncio.run(call())

    def stream(self, url: str, num_events: int = 1000, **options: Any) -> list[Timed]:
        async def call() -> list[Timed]:
            seen: list[Timed] = []
            async with (
                aiohttp_client.MusicGenClient(url, **options) as client,
                aclosing(client.stream("rain")) as events,
            ):
                async for event in events:
                    seen.append((time.monotonic(), event))
                    if len(seen) == num_events:
                        break
            return seen

        return asyncio.run(call())
