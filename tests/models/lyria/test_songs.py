"""The models that make a whole song in one answer, by Google's own client."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
import pytest
import soundfile
from aiohttp import web

from server.errors import QuotaExhausted, Unavailable, UpstreamFailed
from server.events import Document
from server.models.lyria.keyed import KeyedModel
from server.models.lyria.songs import LyriaSong
from tests.models.lyria.fake_google import FakeGoogle, refuses_to_sing, sings
from tests.models.lyria.models import Outcome, loaded, performed, wish

RATE = 44_100
NAMES = ["lyria-3.5", "lyria-3-pro-preview", "lyria-3-clip-preview"]


def songs(
    *keys: str, name: str = "lyria-3.5", **changes: Any
) -> AbstractAsyncContextManager[KeyedModel]:
    return loaded(*keys, kind=LyriaSong, name=name, **changes)


def documents(outcome: Outcome) -> dict[str, bytes]:
    return {e.format: e.content for e in outcome.events if isinstance(e, Document)}


@pytest.mark.parametrize("name", NAMES)
async def test_a_song_with_its_lyrics(google: FakeGoogle, name: str) -> None:
    google.songs["one"] = sings(seconds=5, lyrics="rain, rain\ngo away")
    async with songs("one", name=name) as model:
        longest = model.info.max_duration_seconds
        outcome = await performed(model, wish(longest, format="mp3"))
    assert outcome.error is None
    ((key, body),) = google.song_requests
    assert (key, body["model"], body["input"]) == ("one", name, "rain")
    made = documents(outcome)
    assert made["txt"].decode() == "rain, rain\ngo away"
    whole, rate = soundfile.read(io.BytesIO(made["mp3"]), dtype="float32")  # as it came
    assert rate == RATE
    assert np.array_equal(outcome.sound.T, whole)
    assert outcome.codes == ["shorter"]
    assert outcome.percent == 100


async def test_a_song_that_is_too_long_fades_out_at_the_frame(google: FakeGoogle) -> None:
    google.songs["one"] = sings(seconds=6)
    async with songs("one") as model:
        outcome = await performed(model, wish(4, format="mp3"))
    assert outcome.sound.shape == (2, 4 * RATE)
    assert np.abs(outcome.sound[:, -100:]).max() < 0.01
    assert "mp3" not in documents(outcome)  # what came is not what is given
    assert google.song_requests[0][1]["input"] == "rain\n\nLength: about 4 seconds."


async def test_google_is_asked_once_a_key(google: FakeGoogle) -> None:
    """Its client's own attempts would wear a key out before ours could take another."""
    google.songs.update(
        spent=refuses_to_sing(429, "You exceeded your current quota"),
        bad=refuses_to_sing(400, "API key not valid. Please pass a valid API key."),
        good=sings(seconds=1),
    )
    async with songs("spent", "bad", "good") as model:
        assert (await performed(model, wish(1))).error is None
        assert [key for key, _ in google.song_requests] == ["spent", "bad", "good"]
        assert model.upstream.keys.usage.num_usable == 1


async def test_trouble_is_tried_again_as_often_as_was_set(google: FakeGoogle) -> None:
    google.songs["one"] = refuses_to_sing(503, "overloaded")
    async with songs("one", max_retries=2) as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert outcome.error.message == ("Google's service fails with every key: overloaded (503)")
    assert len(google.song_requests) == 3


async def test_every_quota_used_up_and_every_key_bad(google: FakeGoogle) -> None:
    google.songs["one"] = refuses_to_sing(429, "quota")
    async with songs("one") as model:
        assert isinstance((await performed(model, wish(1))).error, QuotaExhausted)
    google.songs["one"] = refuses_to_sing(401, "unauthenticated")
    async with songs("one") as model:
        assert isinstance((await performed(model, wish(1))).error, Unavailable)


async def test_what_is_refused_says_why(google: FakeGoogle) -> None:
    google.songs["one"] = refuses_to_sing(400, "The prompt was blocked")
    async with songs("one", "two") as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert "The prompt was blocked (400)" in outcome.error.message
    assert len(google.song_requests) == 1


async def test_an_answer_without_music(google: FakeGoogle) -> None:
    def talks(body: dict[str, Any]) -> web.Response:
        content = [{"type": "text", "text": "I would rather not."}]
        steps = [{"type": "model_output", "content": content}]
        return web.json_response({"id": "1", "status": "completed", "steps": steps})

    google.songs["one"] = talks
    async with songs("one") as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert "I would rather not." in outcome.error.message


async def test_a_file_that_is_no_sound(google: FakeGoogle) -> None:
    def sends_junk(body: dict[str, Any]) -> web.Response:
        content = [{"type": "audio", "data": "anVuaw==", "mime_type": "audio/mp3"}]
        steps = [{"type": "model_output", "content": content}]
        return web.json_response({"id": "1", "status": "completed", "steps": steps})

    google.songs["one"] = sends_junk
    async with songs("one") as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert "cannot be read" in outcome.error.message


async def test_progress_while_it_is_made_and_who_leaves(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.models.lyria.songs.TICK_SECONDS", 0.05)
    released = threading.Event()

    def thinks(body: dict[str, Any]) -> web.Response:
        released.wait(10)
        return sings(seconds=1)(body)

    google.songs["one"] = thinks
    async with songs("one") as model:
        events = model.generate(wish(1))
        percents = [(await anext(events)).percent for _ in range(3)]  # type: ignore[union-attr]
        assert percents == sorted(percents)
        assert percents[-1] > 0
        left_at = time.monotonic()
        await asyncio.wait_for(events.aclose(), 5)
        assert time.monotonic() - left_at < 1
        released.set()
