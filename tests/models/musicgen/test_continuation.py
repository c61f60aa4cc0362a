"""Music that goes on from a recording: the recording as it was, a seam, and what is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.events import AudioChunk, Progress, Samples
from server.generation import GenerationRequest, Recording
from server.models.base import Model, ModelOptions
from server.models.musicgen.model import MusicGen
from server.models.musicgen.seam import Seam
from tests.models.conformance import events_of, joined
from tests.models.tiny_musicgen import STEREO_NAME, TINY_NAME, tiny_checkpoints

RATE, HOP = 32_000, 640
FADE = 1_280
WISH = GenerationRequest("goes on", model=TINY_NAME, duration_seconds=2, seed=3)


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> Recording:
    random = np.random.default_rng(4)
    samples = random.uniform(-0.3, 0.3, (channels, int(seconds * rate)))
    return Recording(samples.astype(np.float32), rate)


@pytest.fixture(params=[TINY_NAME, STEREO_NAME])
async def model(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Model]:
    made = MusicGen(request.param, ModelOptions(models_dir=tiny_checkpoints(tmp_path), max_batch=2))
    await made.load()
    yield made
    await made.close()


@pytest.mark.parametrize("seconds", [0.1, 1.99, 3.01, 15, 30])
async def test_the_recording_then_the_new_music(model: Model, seconds: float) -> None:
    channels = model.info.channels
    given = noise(seconds, channels)
    events = await events_of(model, replace(WISH, continuation=given))
    sound, num_given = joined(events), given.samples.shape[1]
    assert sound.shape == (channels, num_given + 2 * RATE)
    assert np.array_equal(sound[:, : num_given - FADE], given.samples[:, :-FADE])
    assert all(e.samples.shape[1] for e in events if isinstance(e, AudioChunk))
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100


async def test_the_new_music_is_what_the_codec_makes_after_the_prompt(model: Model) -> None:
    """After the seam: the decode of the prompt's tokens and those that follow."""
    given = noise(1, model.info.channels)
    sound = joined(await events_of(model, replace(WISH, continuation=given)))
    runner = model._runner  # type: ignore[attr-defined]
    heard = await model._hear(replace(WISH, continuation=given))  # type: ignore[attr-defined]
    assert heard.wish.opening.shape == (runner.config.language_model.num_codebooks, 50)
    outbox_sound = joined([e async for e in model._perform(heard.wish, model.cost(WISH))])  # type: ignore[attr-defined]
    assert outbox_sound.shape[1] == 3 * RATE  # the opening told by the codec, and the new music
    assert np.array_equal(sound[:, RATE:], outbox_sound[:, RATE:])


async def test_the_opening_is_the_end_in_whole_frames(model: Model) -> None:
    runner = model._runner  # type: ignore[attr-defined]
    given = noise(1.01, model.info.channels)  # 50 frames and a half
    opening = runner.listener.opening(given, 600).result()
    end = torch.from_numpy(given.samples[:, -50 * HOP :].copy())
    assert np.array_equal(opening.codes, runner._codec.encode(end).numpy())
    assert np.array_equal(opening.given, given.samples)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8_000, 1), (192_000, 2)])
async def test_any_rate_and_channels(model: Model, rate: int, channels: int) -> None:
    given = noise(1, channels, rate)
    sound = joined(await events_of(model, replace(WISH, continuation=given)))
    assert sound.shape == (model.info.channels, 3 * RATE)


async def test_its_end_decides_what_comes(model: Model) -> None:
    channels = model.info.channels
    one, other = noise(1, channels), Recording(noise(1, channels).samples[:, ::-1].copy(), RATE)
    sounds = [joined(await events_of(model, replace(WISH, continuation=r))) for r in (one, other)]
    assert not np.array_equal(sounds[0][:, RATE:], sounds[1][:, RATE:])


async def test_a_long_recording_and_a_long_request(model: Model) -> None:
    """Several windows, of which the first begins with the last 12 s of what was given."""
    wish = replace(WISH, duration_seconds=30, continuation=noise(30, model.info.channels))
    cost = model.cost(wish)
    longest = model.cost(replace(WISH, duration_seconds=30))
    assert cost.memory_bytes == longest.memory_bytes
    sound = joined(await events_of(model, wish))
    assert sound.shape[1] == 60 * RATE


async def test_who_leaves_while_it_is_read_leaves_nothing(model: Model) -> None:
    wish = replace(WISH, continuation=noise(30, model.info.channels))
    listening = asyncio.create_task(events_of(model, wish))
    await asyncio.sleep(0)
    listening.cancel()
    await asyncio.wait([listening], timeout=5)
    assert listening.cancelled()
    assert model._engine.num_running == 0  # type: ignore[attr-defined]
    assert joined(await events_of(model, wish)).shape[1] == 32 * RATE


class TestSeam:
    def seam(
        self, num_repeated: int = 500, num_given: int = 2_000
    ) -> tuple[Seam, Samples, Samples]:
        random = np.random.default_rng(0)
        given, made = (random.normal(size=(2, n)).astype(np.float32) for n in (num_given, 3_000))
        return Seam(given, num_repeated, 100), given, made

    @pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 450, 3_000])
    def test_how_the_sound_is_cut_changes_nothing(self, size: int) -> None:
        seam, given, made = self.seam()
        before = np.concatenate(list(seam.before(300)), axis=1)
        pieces = [seam.join(made[:, start : start + size]) for start in range(0, 3_000, size)]
        after = np.concatenate(pieces, axis=1)
        assert np.array_equal(before, given[:, :1_900])
        assert np.array_equal(after[:, 100:], made[:, 500:])
        share = (np.arange(100, dtype=np.float32) + 0.5) / 100
        faded = given[:, 1_900:] * (1 - share) + made[:, 400:500] * share
        assert np.allclose(after[:, :100], faded, atol=1e-6)

    def test_nothing_given_is_nothing_changed(self) -> None:
        seam = Seam(np.zeros((2, 0), np.float32), 0, 100)
        made = np.ones((2, 50), np.float32)
        assert not list(seam.before(10))
        assert np.array_equal(seam.join(made), made)

    def test_a_recording_shorter_than_the_fade(self) -> None:
        seam = Seam(np.ones((1, 60), np.float32), 60, 100)
        assert not [piece for piece in seam.before(10) if piece.size]
        assert np.allclose(seam.join(np.ones((1, 200), np.float32)), 1)
