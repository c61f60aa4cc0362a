"""The package makes what the native engine makes; it tells, stops and refuses as it should."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("audiocraft", reason="needs the audiocraft package: make test-audiocraft")

import torch

from server.errors import TooLarge, Unavailable
from server.events import ModelEvent, Progress
from server.generation import GenerationRequest
from server.models.audiocraft import Audiocraft
from server.models.base import ModelOptions, Resources
from server.models.global_seed import global_seed
from server.models.musicgen.model import MusicGen
from server.models.musicgen.variants import MAX_DURATION_SECONDS
from server.models.threaded import StepMeter, Stopped
from tests.audiocraft.tiny_diffusion import write_diffusion
from tests.models.conformance import events_of, joined
from tests.models.musicgen.references import WAVE, perform, runner
from tests.models.tiny_musicgen import STEREO_NAME, TINY_NAME, VARIANTS

REQUEST = GenerationRequest("slow warm jazz", duration_seconds=2, seed=5)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.0},
    {"top_k": 7, "temperature": 1.3},
    {"top_k": 0},
    {"top_p": 0.7, "guidance": 5.0},
    {"prompt": "", "guidance": 0.0},
    {"temperature": 1e-30},
]


def loaded(models_dir: Path, name: str = TINY_NAME) -> Audiocraft:
    model = Audiocraft(name, ModelOptions(models_dir=models_dir))
    model.prepare()
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_its_tokens_are_those_of_the_native_engine(models_dir: Path, name: str) -> None:
    model = loaded(models_dir, name)
    for settings in SETTINGS:
        request = replace(REQUEST, **settings)
        wish = model._wish(request)
        with global_seed(wish.seed, lambda: None):
            _, codes = model._generate(wish, 2, StepMeter(1000, lambda event: None))
        native = perform(runner(VARIANTS[name], "audiocraft"), wish)
        assert torch.equal(codes, native), settings


@pytest.mark.parametrize("seconds", [1, 35])
@pytest.mark.parametrize("name", VARIANTS)
async def test_its_sound_is_that_of_the_native_engine(
    models_dir: Path, name: str, seconds: int
) -> None:
    """In one window, and in two."""
    sounds = []
    for kind in (Audiocraft, MusicGen):
        model = kind(name, ModelOptions(models_dir=models_dir, precision="fp32"))
        await model.load()
        sounds.append(joined(await events_of(model, replace(REQUEST, duration_seconds=seconds))))
        await model.close()
    assert sounds[0].shape == (1 + (name == STEREO_NAME), seconds * 32_000)
    assert np.allclose(*sounds, rtol=0, atol=WAVE)


def test_it_tells_every_step(models_dir: Path) -> None:
    model, events = loaded(models_dir), list[ModelEvent]()
    for seconds, num_steps in ((2, 103), (35, 1750 + 2 * 3)):
        events.clear()
        model.perform(replace(REQUEST, duration_seconds=seconds), events.append)
        percents = [event.percent for event in events if isinstance(event, Progress)]
        assert percents == [100.0 * step / (num_steps + 1) for step in range(1, num_steps + 2)]


@pytest.mark.parametrize("num_steps", [1, 2, 50, 103])
def test_it_stops_at_the_step_it_is_told_and_leaves_nothing(
    models_dir: Path, num_steps: int
) -> None:
    model, before, after, seen = loaded(models_dir), list[Any](), list[Any](), list[Any]()

    def emit(event: ModelEvent) -> None:
        seen.append(event)
        if len(seen) == num_steps:
            raise Stopped

    model.perform(REQUEST, before.append)
    with pytest.raises(Stopped):
        model.perform(replace(REQUEST, seed=6), emit)
    assert len(seen) == num_steps
    model.perform(REQUEST, after.append)
    assert np.array_equal(joined(before), joined(after))


async def test_two_models_take_turns_and_a_waiting_one_can_be_stopped(models_dir: Path) -> None:
    """They draw from one generator: each must sound as it does alone."""
    models = [loaded(models_dir, name) for name in (TINY_NAME, STEREO_NAME)]
    alone = [joined(await events_of(model, REQUEST)) for model in models]
    together = await asyncio.gather(*(events_of(model, REQUEST) for model in models))
    for sound, events in zip(alone, together, strict=True):
        assert np.array_equal(sound, joined(events))
    longest = replace(REQUEST, duration_seconds=MAX_DURATION_SECONDS)
    async with (
        aclosing(models[0].generate(longest)) as first,
        aclosing(models[1].generate(longest)) as second,
    ):
        await anext(first)
        assert await anext(second) == Progress(0.0)
        await asyncio.wait_for(second.aclose(), 5)
        assert (await anext(first)).percent > 0
    for model in models:
        await model.close()


async def test_the_debug_model_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads words with a spaCy pipeline that has to be downloaded: an empty one does."""
    import spacy

    monkeypatch.setattr(spacy, "load", lambda name: spacy.blank("en"))
    model = Audiocraft("debug", ModelOptions(checkpoints={"debug": Path("debug")}))
    await model.load()
    events = await events_of(model, REQUEST)
    assert len([event for event in events if isinstance(event, Progress)]) == 2 * 25 + 3 + 1
    assert joined(events).shape == (1, 2 * 32_000)
    assert np.array_equal(joined(events), joined(await events_of(model, REQUEST)))
    await model.close()


def test_a_prompt_too_long_for_the_text_encoder_is_refused(models_dir: Path) -> None:
    model = loaded(models_dir)
    assert model.cost(REQUEST) == Resources(1)
    with pytest.raises(TooLarge, match="at most 2048 tokens"):
        model.cost(replace(REQUEST, prompt="🎸 x" * 2_500))


@pytest.mark.parametrize("damage", ["no codec", "half a file"])
async def test_a_checkpoint_it_cannot_load(models_dir: Path, damage: str) -> None:
    folder = models_dir / "facebook" / "broken"
    folder.mkdir()
    whole = (models_dir / TINY_NAME / "state_dict.bin").read_bytes()
    (folder / "state_dict.bin").write_bytes(whole[:5000] if damage == "half a file" else whole)
    model = Audiocraft("facebook/broken", ModelOptions(models_dir=models_dir))
    with pytest.raises(Unavailable, match="`hf download facebook/broken state_dict") as caught:
        await model.load()
    assert "cannot load facebook/broken (" in caught.value.message
    assert str(models_dir) not in caught.value.message


async def test_what_it_may_not_download_is_unavailable_until_it_is_there(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(models_dir / "none"))
    options = ModelOptions(models_dir=models_dir, downloads=frozenset({TINY_NAME}))
    assert Audiocraft(TINY_NAME, options).info.availability.available
    model = Audiocraft(STEREO_NAME, options)
    assert model.info.availability.available
    for missing in (models_dir / STEREO_NAME / "state_dict.bin", models_dir / "t5-base"):
        away = missing.rename(models_dir / "away")
        assert "ALLOW_DOWNLOADS" in model.info.availability.reason
        assert f"`hf download {STEREO_NAME} state_dict" in model.info.availability.remedy
        with pytest.raises(Unavailable, match="ALLOW_DOWNLOADS"):
            await model.load()
        assert Audiocraft(TINY_NAME, options).info.availability.available
        away.rename(missing)
    assert model.info.availability.available
    await model.close()


async def test_it_counts_its_memory_and_gives_it_back(models_dir: Path) -> None:
    write_diffusion(models_dir)
    model = Audiocraft(TINY_NAME, ModelOptions(models_dir=models_dir, device="cpu"))
    needed_bytes = model.needed_bytes()
    await model.load()
    request = replace(REQUEST, multiband_diffusion=True)
    await events_of(model, request)
    held = [model._musicgen.lm, model._musicgen.compression_model, model._decoder]
    assert model.memory_bytes == needed_bytes
    assert needed_bytes > sum(
        parameter.nbytes for module in held[:2] for parameter in module.parameters()
    )
    left = [weakref.ref(each) for each in held]
    held.clear()
    await model.close()
    gc.collect()
    assert not [each() for each in left if each() is not None]


def test_a_folder_the_operator_gave(models_dir: Path) -> None:
    folder = models_dir / STEREO_NAME
    options = ModelOptions(checkpoints={"mine": folder}, models_dir=models_dir / "none")
    model = Audiocraft("mine", options)
    model.prepare()
    assert model.info.channels == 2
