"""A test for each row of the table of faults in docs/models.md, with Google's own client against a
service that misbehaves."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import aclosing

import numpy as np
import pytest

from server.errors import Filtered, QuotaExhausted, Unavailable, UpstreamFailed
from server.events import AudioChunk
from server.generation import WeightedPrompt
from server.models.lyria.splice import FADE_FRAMES
from server.models.upstream import Upstream
from tests.models.lyria.fake_google import (
    SAMPLE_RATE,
    Behaviour,
    FakeGoogle,
    Session,
    closes,
    fake_music,
    opens_then,
    plays,
    plays_then,
    refuses,
)
from tests.models.lyria.models import IMPATIENT, loaded, pcm, performed, pool, wish

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


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_key_it_is_unavailable() -> None:
    async with loaded() as model:
        known = model.info.availability
        assert known.reason == "no key of Google's API is set"
        assert "Set GENAI_API_KEY_1" in known.remedy
        with pytest.raises(Unavailable):
            model.check()


async def test_blank_repeated_and_missing_keys_are_skipped(google: FakeGoogle) -> None:
    async with loaded("", " key-a ", "key-a", "\t", "key-b") as model:
        assert [key.name for key in model.upstream.keys.keys] == [
            "GENAI_API_KEY_2",
            "GENAI_API_KEY_5",
        ]
        for _ in range(3):
            assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["key-a", "key-b", "key-a"]
        usage = model.upstream.keys.usage
        assert (usage.total_keys, usage.uses, usage.errors) == (2, {0: 2, 1: 1}, {0: 0, 1: 0})
        assert "key-a" not in repr(usage) + repr(model.upstream)


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, NOT_VALID),
        refuses(401, "Request is missing required authentication credential."),
        refuses(403, LEAKED),
        opens_then(closes(1007, NOT_VALID)),
        opens_then(closes(1008, LEAKED)),
    ],
)
async def test_a_key_that_is_invalid_is_disabled(google: FakeGoogle, refusal: Behaviour) -> None:
    google.behave("bad", refusal)
    async with loaded("bad", "good", retry_delay_seconds=30.0) as model:
        assert (await performed(model, wish(1))).error is None
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["bad", "good", "good"]
        assert model.upstream.keys.usage.num_usable == 1


async def test_when_no_key_is_valid_it_is_unavailable(google: FakeGoogle) -> None:
    google.behave("bad", refuses(400, NOT_VALID))
    async with loaded("bad") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, Unavailable)
        assert model.info.availability.reason == "Google's API accepts none of its 1 key(s)"


@pytest.mark.parametrize("key", ["schlüssel", "two words", "line\nbreak", "nul\0"])
async def test_a_key_that_cannot_be_sent_is_disabled(google: FakeGoogle, key: str) -> None:
    async with loaded(key, "good") as model:
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["good"]


async def test_a_key_that_may_not_do_this_is_left_for_the_next(google: FakeGoogle) -> None:
    google.behave("poor", refuses(403, "Permission denied: the model needs a paid plan"))
    async with loaded("poor", "good") as model:
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["poor", "good"]
        assert model.upstream.keys.usage.num_usable == 2


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(429, "Too many requests"),
        opens_then(closes(1011, QUOTA)),
        opens_then(closes(1008, "RESOURCE_EXHAUSTED")),
    ],
)
async def test_a_quota_lets_the_key_rest(google: FakeGoogle, refusal: Behaviour) -> None:
    google.behave("spent", refusal)
    async with loaded("spent", "good", retry_delay_seconds=30.0) as model:
        assert (await performed(model, wish(1))).error is None
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["spent", "good", "good"]
        assert model.upstream.keys.usage.errors == {0: 1, 1: 0}


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(503, "The service is overloaded"),
        opens_then(closes(1011, "Internal error encountered.")),
        opens_then(aborts),
        opens_then(lambda session: session.send_text("no JSON")),
        opens_then(
            lambda session: session.send_text(
                '{"serverContent": {"audioChunks": [{"data": "?!", "mimeType": "audio/l16"}]}}'
            ),
        ),
        opens_then(lambda session: session.send_text("x" * 2**21)),
    ],
)
async def test_other_trouble_is_tried_again_then_with_the_next_key(
    google: FakeGoogle, trouble: Behaviour
) -> None:
    google.behave("ill", trouble)
    async with loaded("ill", "good", max_retries=2) as model:
        outcome = await performed(model, wish(1))
        assert outcome.error is None
        assert google.keys_used() == ["ill", "ill", "ill", "good"]
        assert model.upstream.keys.usage.errors == {0: 3, 1: 0}
        assert not outcome.warnings


async def test_a_retry_waits_as_long_as_was_set(google: FakeGoogle) -> None:
    google.behave("ill", refuses(503, "overloaded"), plays)
    async with loaded("ill", retry_delay_seconds=0.4) as model:
        begun = time.monotonic()
        assert (await performed(model, wish(1))).error is None
        assert time.monotonic() - begun >= 0.4


async def test_when_every_key_is_in_trouble_it_fails(google: FakeGoogle) -> None:
    google.behave("ill", refuses(503, "overloaded"))
    async with loaded("ill", max_retries=1) as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, UpstreamFailed)
        assert "overloaded (503)" in outcome.error.message


async def test_when_every_quota_is_used_up_it_says_when(google: FakeGoogle) -> None:
    for key in ("one", "two"):
        google.behave(key, refuses(429, QUOTA))
    async with loaded("one", "two") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, QuotaExhausted)
        assert outcome.error.status == 429
        assert 50 < (outcome.error.retry_after_seconds or 0) <= 60
        with pytest.raises(QuotaExhausted):
            model.check()


def test_a_key_rests_longer_each_time_and_comes_back() -> None:
    now = 0.0
    keys = pool("one")
    keys._clock = lambda: now
    for seconds in (60, 120, 240):
        for _ in range(5):  # requests that ran side by side
            keys.rest(keys.keys[0], "quota")
        now += seconds - 1
        with pytest.raises(QuotaExhausted, match="try again in 1 s"):
            keys.take()
        now += 1
        assert keys.take()


async def test_what_is_refused_is_not_tried_again(google: FakeGoogle) -> None:
    google.behave("one", opens_then(closes(1008, "models/lyria-realtime-exp is not found")))
    async with loaded("one", "two") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, UpstreamFailed)
        assert google.keys_used() == ["one"]


# ── in the middle of a song ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "keys_used"),
    [
        (closes(1011, QUOTA), ["one", "two"]),
        (aborts, ["one", "one"]),
        (closes(1000, "session time limit"), ["one", "one"]),
        (closes(1008, "The session has reached its limit"), ["one", "one"]),
        (closes(1000), ["one", "one"]),
        (is_silent, ["one", "one"]),
    ],
)
async def test_what_ends_in_the_middle_goes_on_with_a_cross_fade(
    google: FakeGoogle, end: Behaviour, keys_used: list[str]
) -> None:
    google.behave("one", plays_then(4, end), plays)
    async with loaded("one", "two", gap_seconds=1.5) as model:
        outcome = await performed(model, wish(7))
    assert outcome.error is None
    assert google.keys_used() == keys_used
    assert outcome.codes == ["reconnected"]
    assert "4.0 s into the music" in outcome.warnings[0].message
    assert outcome.percent == 100
    first, second = google.sessions
    assert first.configuration["seed"] != second.configuration["seed"]  # or it began anew
    seam = 4 * SAMPLE_RATE - FADE_FRAMES
    assert outcome.sound.shape == (2, 7 * SAMPLE_RATE)
    assert pcm(outcome.sound[:, :seam]) == first.music(0, seam)
    rest = 3 * SAMPLE_RATE
    assert pcm(outcome.sound[:, -rest:]) == second.music(FADE_FRAMES, FADE_FRAMES + rest)
    fade = outcome.sound[:, seam : seam + FADE_FRAMES]
    powers = [float(np.mean(part**2)) for part in np.array_split(fade, 5, axis=1)]
    assert max(powers) < 1.3 * min(powers)  # neither a gap nor a bump


async def test_a_session_is_left_before_it_would_end(google: FakeGoogle) -> None:
    async def plays_slowly(session: Session) -> None:
        await session.open()
        await session.play(pause_seconds=0.1)

    google.behave("one", plays_slowly)
    async with loaded("one", session_seconds=0.25) as model:
        outcome = await performed(model, wish(10))
    assert outcome.sound.shape[1] == 10 * SAMPLE_RATE
    assert len(google.sessions) > 1
    assert model.upstream.keys.usage.errors == {0: 0}


async def test_what_cannot_be_finished_gives_out_all_that_came(google: FakeGoogle) -> None:
    google.behave("one", plays_then(4, closes(1011, QUOTA)))
    async with loaded("one") as model:
        outcome = await performed(model, wish(60))
    assert isinstance(outcome.error, QuotaExhausted)
    assert not outcome.warnings
    assert outcome.sound.shape[1] == 4 * SAMPLE_RATE
    assert pcm(outcome.sound) == google.sessions[0].music(0, 4 * SAMPLE_RATE)


async def test_sessions_that_bring_nothing_new_are_no_progress(google: FakeGoogle) -> None:
    google.behave("one", plays_then(2, aborts), plays_then(0.25, aborts))
    async with loaded("one", max_retries=2) as model:
        outcome = await performed(model, wish(60))
    assert isinstance(outcome.error, UpstreamFailed)
    assert outcome.sound.shape[1] == 2 * SAMPLE_RATE
    assert len(google.sessions) == 3


# ── silence ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("silence", [hangs, shakes_hands_only, opens_then(is_silent)])
async def test_silence_is_trouble(google: FakeGoogle, silence: Behaviour) -> None:
    google.behave("one", silence)
    async with loaded("one", max_retries=1, **IMPATIENT) as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert re.search(r"no (session within|sound for) 0\.3 s", outcome.error.message)
    assert google.keys_used() == ["one", "one"]


def test_the_patience_is_what_the_table_says() -> None:
    known = Upstream()
    assert (known.setup_seconds, known.first_sound_seconds, known.gap_seconds) == (10, 15, 10)
    assert (known.max_retries, known.retry_delay_seconds) == (3, 5)


async def test_other_messages_are_no_sound(google: FakeGoogle) -> None:
    async def warns(session: Session) -> None:
        await session.open()
        while not session.client_left:
            await session.send({"warning": "slow down"})
            await asyncio.sleep(0.05)

    google.behave("one", warns)
    async with loaded("one", max_retries=0, **{**IMPATIENT, "setup_seconds": 10}) as model:
        outcome = await performed(model, wish(1))
    assert isinstance(outcome.error, UpstreamFailed)
    assert "no sound for 0.3 s" in outcome.error.message


# ── prompts ──────────────────────────────────────────────────────────────────────────────────


async def test_a_filtered_prompt_is_a_warning(google: FakeGoogle) -> None:
    google.behave("one", filters("rain", goes_on=True))
    async with loaded("one") as model:
        outcome = await performed(model, wish(2, weighted_prompts=(WeightedPrompt("jazz", 0.5),)))
    assert outcome.error is None
    assert outcome.codes == ["prompt_filtered"]
    assert "'rain' (it names an artist)" in outcome.warnings[0].message
    assert outcome.sound.shape[1] == 2 * SAMPLE_RATE


async def test_when_all_prompts_are_filtered_it_fails_at_once(google: FakeGoogle) -> None:
    google.behave("one", filters("rain", goes_on=False))
    async with loaded("one", "two") as model:
        outcome = await performed(model, wish(2))
    assert isinstance(outcome.error, Filtered)
    assert "it names an artist" in outcome.error.message
    assert google.keys_used() == ["one"]
    assert model.upstream.keys.usage.errors == {0: 0, 1: 0}


# ── a client that leaves ─────────────────────────────────────────────────────────────────────


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
