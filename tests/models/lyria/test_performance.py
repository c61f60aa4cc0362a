"""Faults in the middle of the music, silence and filtered prompts: rows of the table of faults in
docs/models.md, with Google's own client against a service that misbehaves."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from server.errors import Filtered, QuotaExhausted, UpstreamFailed
from server.generation import WeightedPrompt
from server.models.lyria.splice import FADE_FRAMES
from server.models.upstream import Upstream
from tests.models.lyria.fake_google import (
    SAMPLE_RATE,
    Behaviour,
    FakeGoogle,
    Session,
    closes,
    opens_then,
    plays,
    plays_then,
)
from tests.models.lyria.faulty_google import (
    QUOTA,
    aborts,
    filters,
    hangs,
    is_silent,
    shakes_hands_only,
)
from tests.models.lyria.models import IMPATIENT, loaded, pcm, performed, wish


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
