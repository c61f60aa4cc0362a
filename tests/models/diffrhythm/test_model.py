"""The model between the service and the engine: what it makes, stops and lets go of."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

for package in ("torch", "phonemizer", "jieba", "huggingface_hub"):
    pytest.importorskip(package, reason="needs the extras musicgen and phonemes")

from server.events import AudioChunk, ModelEvent, Progress, Samples
from server.models.diffrhythm.editing import prepared
from server.models.diffrhythm.model import DiffRhythm
from tests.models.conformance import events_of, joined
from tests.models.diffrhythm.wishes import LYRICS, RATE, WISH, noise, unloaded
from tests.models.tiny_diffrhythm import TinyDiffRhythm, tiny_options


@pytest.fixture
async def model(tiny_songs: Path) -> AsyncIterator[TinyDiffRhythm]:
    model = TinyDiffRhythm("diffrhythm", tiny_options(tiny_songs))
    await model.load()
    yield model
    await model.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def events_of_wish(tiny_songs: Path) -> list[ModelEvent]:
    """All that is made of `WISH`, made once."""
    model = unloaded(tiny_songs)
    await model.load()
    events = await events_of(model, WISH)
    await model.close()
    return events


@pytest.fixture(scope="module")
def plain(events_of_wish: list[ModelEvent]) -> Samples:
    return joined(events_of_wish)


async def sound(model: TinyDiffRhythm, **changes: object) -> np.ndarray:
    return joined(await events_of(model, replace(WISH, **changes)))


async def test_lyrics_style_and_guidance_are_heard(model: TinyDiffRhythm, plain: Samples) -> None:
    assert not np.array_equal(plain, await sound(model, lyrics=LYRICS))
    assert not np.array_equal(plain, await sound(model, prompt="fast jazz"))
    by_sound = await sound(model, prompt="", style_audio=noise(12.3, channels=1, rate=16_000))
    assert not np.array_equal(plain, by_sound)
    assert not np.array_equal(plain, await sound(model, guidance=1.0))


async def test_chunks_come_as_they_are_decoded_and_are_the_whole(
    model: TinyDiffRhythm, events_of_wish: list[ModelEvent]
) -> None:
    kinds = [type(event) for event in events_of_wish]
    first = kinds.index(AudioChunk)
    assert kinds[first:] == [AudioChunk, Progress] * 21
    in_one = await events_of(model, replace(WISH, whole_decoding=True))
    assert [type(event) for event in in_one].count(AudioChunk) == 1
    assert joined(in_one).shape == joined(events_of_wish).shape


async def test_both_lengths_are_made_one_after_the_other(model: TinyDiffRhythm) -> None:
    for seconds in (95, 96, 95):
        made = await sound(model, duration_seconds=seconds)
        assert made.shape == (2, seconds * RATE)


async def test_takes_are_those_of_their_seeds(model: TinyDiffRhythm, plain: Samples) -> None:
    takes = [joined(await events_of(model, WISH.take(number))) for number in (0, 1)]
    assert np.array_equal(takes[0], plain)
    assert np.array_equal(takes[1], await sound(model, seed=8))
    assert not np.array_equal(*takes)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (22_050, 1)])
async def test_an_edit_keeps_the_rest_to_the_bit(
    model: TinyDiffRhythm, rate: int, channels: int
) -> None:
    song = noise(95, channels, rate)
    segments = ((0.0, 5.0), (50.0, 95.0))
    made = await sound(model, edited_song=song, edit_segments=segments)
    kept = prepared(song)
    assert made.shape == (2, 95 * RATE)
    assert np.array_equal(made[:, 5 * RATE : 50 * RATE], kept[:, 5 * RATE : 50 * RATE])
    assert not np.allclose(made[:, : 4 * RATE], kept[:, : 4 * RATE], atol=0.01)


async def test_an_edit_keeps_the_end_beyond_the_last_frame(model: TinyDiffRhythm) -> None:
    song = noise(96)
    edit = {"edited_song": song, "edit_segments": ((1.0, 2.0),)}
    made = await sound(model, duration_seconds=96, **edit)
    assert np.array_equal(made[:, 2 * RATE :], song.samples[:, 2 * RATE :])


async def test_peaks_that_are_cut_off_are_told(
    model: TinyDiffRhythm, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = noise(95, peak=0.99)
    edit = {"edited_song": song, "edit_segments": ((1.0, 95.0),)}
    events = await events_of(model, replace(WISH, **edit))
    assert np.abs(joined(events)).max() > 1
    assert [event.code for event in events if hasattr(event, "code")] == ["clipped"]


class Counting(TinyDiffRhythm):
    """As many steps as published, counted."""

    num_points = 32


@pytest.mark.parametrize("num_events", [1, 3, 4])
async def test_a_song_is_stopped_within_a_step(
    tiny_songs: Path, num_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.models.diffrhythm.transformer import Transformer

    model = Counting("diffrhythm", tiny_options(tiny_songs))
    await model.load()
    steps: list[None] = []
    forward = Transformer.forward

    def counted(self: Transformer, *given: object) -> object:
        steps.append(None)
        return forward(self, *given)

    monkeypatch.setattr(Transformer, "forward", counted)
    async with aclosing(model.generate(WISH)) as events:
        for _ in range(num_events):
            await anext(events)
        begun = len(steps)
        await asyncio.wait_for(events.aclose(), 60)
    assert len(steps) <= begun + 2  # the one at work, and one that began before we asked
    await model.close()


def test_one_transformer_has_gone_before_the_other_is_read() -> None:
    from server.models.diffrhythm.engine import Transformers
    from server.models.diffrhythm.transformer import Transformer, TransformerConfig

    made: list[weakref.ref[Transformer]] = []

    def read(most_frames: int) -> Transformer:
        gc.collect()
        assert not any(reference() for reference in made)
        config = TransformerConfig(64, 1, 1, 1, max_frames=most_frames)
        transformer = Transformer(config)
        made.append(weakref.ref(transformer))
        return transformer

    transformers = Transformers(read)
    for most_frames in (2048, 6144, 6144, 2048):
        assert transformers.of(most_frames).config.max_frames == most_frames
    assert len(made) == 3


async def test_nothing_of_it_stays_when_it_is_closed(tiny_songs: Path) -> None:
    model = unloaded(tiny_songs)
    await model.load()
    await events_of(model, WISH)
    assert model.memory_bytes > 0
    assert model.needed_bytes() > 4_000_000_000
    held = weakref.ref(model._engine.transformers.of(2048))  # type: ignore[union-attr]
    await model.close()
    gc.collect()
    assert held() is None


def test_cpu_for_styles_leaves_a_gpu_its_memory(tiny_songs: Path) -> None:
    def needed(style_device: str) -> int:
        options = tiny_options(tiny_songs, device="cuda", style_device=style_device)
        return DiffRhythm("diffrhythm", options).needed_bytes()

    assert needed("auto") - needed("cpu") == 2_700_000_000
