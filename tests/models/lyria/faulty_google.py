"""Ways in which the service misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.models.lyria.fake_google import (
    Behaviour,
    Session,
)

NOT_VALID = "API key not valid. Please pass a valid API key."
LEAKED = "Your API key was reported as leaked. Please use another API key."
QUOTA = "You exceeded your current quota, please check your plan and billing details."


async def aborts(session: Session) -> None:
    await session.abort()


async def is_silent(session: Session) -> None:
    await session.silence()


def hangs(session: Session) -> asyncio.Future[None]:
    """The handshake is never answered."""
    return asyncio.get_running_loop().create_future()


async def shakes_hands_only(session: Session) -> None:
    await session.shake_hands()
    await session.silence()


def filters(*texts: str, goes_on: bool) -> Behaviour:
    async def behaviour(session: Session) -> None:
        await session.open()
        for text in texts:
            said = {"text": text, "filteredReason": "it names an artist"}
            await session.send({"filteredPrompt": said})
        if goes_on:
            await session.play()
        await session.silence()

    return behaviour


async def became(holds: Callable[[], bool], within_seconds: float = 10.0) -> None:
    """Return when `holds()`; fail if it never does."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.01)
