"""What comes out of a session, and what is left of one that nobody listens to any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

import pytest

from server.errors import UpstreamFailed
from server.events import AudioChunk
from tests.models.lyria.fake_google import (
    SAMPLE_RATE,
    Behaviour,
    FakeGoogle,
    Session,
    fake_music,
    opens_then,
    refuses,
)
from tests.models.lyria.faulty_google import (
    became,
    hangs,
    is_silent,
    shakes_hands_only,
)
from tests.models.lyria.models import loaded, pcm, performed, wish


async def ignores_the_close(session: Session) -> None:
    await session.open(deaf=True)
    await session.play(2)
    await became(lambda: session.client_left)


async def plays_like_a_tape(session: Session) -> None:
    await session.open()
    await session.play(pause_seconds=0.05)


@pytest.mark.parametrize(
    ("behaviour", "is_there"),
    [
        (hangs, lambda session: True),
        (shakes_hands_only, lambda session: session.model),
        (opens_then(is_silent), lambda session: len(session.frames) == 3),
        (plays_like_a_tape, lambda session: session.num_seconds_sent),
        (ignores_the_close, lambda session: session.num_seconds_sent == 2),
        (refuses(503, "overloaded"), lambda session: session.closed_at is not None),
    ],
    ids=["connecting", "setting up", "before sound", "in the middle", "deaf", "backing off"],
)
async def test_whoever_leaves_leaves_no_session_behind(
    google: FakeGoogle, behaviour: Behaviour, is_there: Callable[[Session], object]
) -> None:
    google.behave("one", behaviour)
    async with loaded("one", retry_delay_seconds=30.0) as model:
        listening = asyncio.create_task(performed(model, wish(300)))
        await became(lambda: bool(google.sessions and is_there(google.sessions[0])))
        left_at = time.monotonic()
        listening.cancel()
        await asyncio.wait([listening], timeout=5)
        assert time.monotonic() - left_at < 1
        assert listening.cancelled()
        await became(lambda: google.sessions[0].closed_at is not None)
        assert (google.sessions[0].closed_at or 0) < left_at + 1
        assert len(google.sessions) == 1


async def test_the_sound_is_cut_at_the_frame(google: FakeGoogle) -> None:
    async with loaded("one") as model:
        for seconds in (1, 2, 3):
            sound = (await performed(model, wish(seconds))).sound
            assert len(pcm(sound)) == seconds * 192_000
            assert pcm(sound) == google.sessions[-1].music(0, seconds * SAMPLE_RATE)


async def test_a_chunk_may_end_anywhere(google: FakeGoogle) -> None:
    async def dribbles(session: Session) -> None:
        await session.open()
        music = session.music(0, SAMPLE_RATE)
        for start in range(0, len(music), 10_001):
            await session.send_sound(music[start : start + 10_001])
        await session.silence()

    google.behave("one", dribbles)
    async with loaded("one") as model:
        sound = (await performed(model, wish(1))).sound
    assert pcm(sound) == fake_music(3, "rain", 0, SAMPLE_RATE)


@pytest.mark.parametrize(
    "mime_type",
    ["audio/l16;rate=44100", "audio/mpeg", "audio/l16; rate=48000; channels=1", "text/plain"],
)
async def test_other_sound_is_never_taken_for_48_khz_stereo(
    google: FakeGoogle, mime_type: str
) -> None:
    async def plays_otherwise(session: Session) -> None:
        await session.open()
        await session.send_sound(bytes(384_000), mime_type)
        await session.silence()

    google.behave("one", plays_otherwise)
    async with loaded("one") as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert mime_type in outcome.error.message
    assert model.upstream.keys.usage.errors == {0: 0}


async def test_a_listener_who_does_not_read_does_not_slow_google(google: FakeGoogle) -> None:
    async with loaded("one") as model, aclosing(model.generate(wish(300))) as events:
        async for event in events:
            if isinstance(event, AudioChunk):
                break
        await became(lambda: google.sessions[0].num_seconds_sent >= 100, 30)  # nobody asks
