"""MultiBand Diffusion over tiny random networks of the package's own classes."""

from __future__ import annotations

import asyncio
import gc
import pickle
import weakref
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("audiocraft", reason="needs the audiocraft package: make test-audiocraft")

import torch

from server.errors import Unavailable
from server.events import ModelEvent, Progress
from server.generation import GenerationRequest, Recording
from server.models.audiocraft import Audiocraft
from server.models.base import ModelOptions
from server.models.multiband_diffusion import MultiBandDecoder, load_decoder
from server.models.multiband_weights import FILE, num_bytes
from server.models.musicgen.model import MusicGen
from server.models.threaded import StepMeter, Stopped
from tests.audiocraft.tiny_diffusion import BOTTLENECKS, write_diffusion
from tests.models.conformance import events_of, joined
from tests.models.tiny_musicgen import FIXTURES, STEREO_NAME, TINY_NAME

NUM_STEPS = 20 * len(BOTTLENECKS)


def silent_meter() -> StepMeter:
    return StepMeter(NUM_STEPS, lambda event: None)


@pytest.fixture
def codec() -> Any:
    from audiocraft.models.loaders import load_compression_model

    return load_compression_model(FIXTURES / "mono" / "audiocraft")


@pytest.fixture
def decoder(tmp_path: Path, codec: Any) -> MultiBandDecoder:
    write_diffusion(tmp_path)
    return load_decoder(tmp_path, codec)


def test_it_is_what_the_package_makes(decoder: MultiBandDecoder) -> None:
    codes = torch.randint(64, (4, 20))
    torch.manual_seed(7)
    with torch.no_grad():
        theirs = decoder._diffusion.tokens_to_wav(codes[None])[0].numpy()
    assert np.array_equal(decoder.decode(codes, 7, silent_meter()), theirs)
    assert theirs.shape == (1, 20 * 640)
    assert np.isfinite(theirs).all()
    assert not np.array_equal(decoder.decode(codes, 8, silent_meter()), theirs)


def test_the_channels_of_stereo_alternate(decoder: MultiBandDecoder) -> None:
    left, right = torch.randint(64, (2, 4, 20))
    codes = torch.stack([left, right], dim=1).flatten(0, 1)  # [8, 20]
    torch.manual_seed(7)
    with torch.no_grad():
        theirs = decoder._diffusion.tokens_to_wav(torch.stack([left, right]))[:, 0].numpy()
    assert np.array_equal(decoder.decode(codes, 7, silent_meter()), theirs)


def test_it_counts_its_steps(decoder: MultiBandDecoder) -> None:
    events: list[ModelEvent] = []
    decoder.decode(torch.randint(64, (4, 20)), 7, StepMeter(decoder.num_steps, events.append))
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == [100.0 * step / NUM_STEPS for step in range(1, NUM_STEPS + 1)]


def test_it_stops_within_a_step_and_is_none_the_worse(decoder: MultiBandDecoder) -> None:
    codes, seen = torch.randint(64, (4, 20)), []

    def emit(event: ModelEvent) -> None:
        seen.append(event)
        if len(seen) == 3:
            raise Stopped

    before = decoder.decode(codes, 7, silent_meter())
    with pytest.raises(Stopped):
        decoder.decode(codes, 7, StepMeter(NUM_STEPS, emit))
    assert len(seen) == 3
    assert np.array_equal(decoder.decode(codes, 7, silent_meter()), before)
    assert len(seen) == 3


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, codec: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemError('it ran')",)

    file = write_diffusion(tmp_path)
    torch.save({"sample_rate": 32_000, "n_bands": 1, 0: Trap()}, file)
    with pytest.raises(Unavailable, match=f"cannot be loaded .* fetch {FILE} anew") as caught:
        load_decoder(tmp_path, codec)
    assert isinstance(caught.value.__cause__, pickle.UnpicklingError)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("name", [TINY_NAME, STEREO_NAME])
async def test_a_generation_is_decoded_by_it(models_dir: Path, name: str) -> None:
    write_diffusion(models_dir)
    model = Audiocraft(name, ModelOptions(models_dir=models_dir))
    await model.load()
    plain = GenerationRequest("slow jazz", model=name, duration_seconds=1, seed=3)
    diffused = replace(plain, multiband_diffusion=True)
    assert model.cost(diffused).slots == 1
    events = await events_of(model, diffused)
    sound = joined(events)
    assert sound.shape == (model.info.channels, 32_000)
    assert not np.array_equal(sound, joined(await events_of(model, plain)))
    assert np.array_equal(sound, joined(await events_of(model, diffused)))
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert len(percents) == 53 + NUM_STEPS
    assert percents == sorted(set(percents))
    assert percents[-1] == 100
    await model.close()


async def test_without_its_weights_it_says_how_to_get_them(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(models_dir / "none"))
    model = Audiocraft(TINY_NAME, ModelOptions(models_dir=models_dir))
    request = GenerationRequest("x", duration_seconds=1, seed=3, multiband_diffusion=True)
    with pytest.raises(Unavailable, match=rf"`hf download facebook/multiband-diffusion {FILE}`"):
        model.cost(request)


async def test_the_native_engine_has_it_too(models_dir: Path) -> None:
    """The same tokens, the same noise: the two differ as the two codecs do, and no more."""
    write_diffusion(models_dir)
    for name in (TINY_NAME, STEREO_NAME):
        request = GenerationRequest("slow jazz", name, 1, 3, multiband_diffusion=True)
        events = []
        for kind in (Audiocraft, MusicGen):
            model = kind(name, ModelOptions(models_dir=models_dir, precision="fp32"))
            await model.load()
            assert model.cost(request).slots == 1
            events.append(await events_of(model, request))
            await model.close()
        theirs, ours = map(joined, events)
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
        percents = [[e.percent for e in each if isinstance(e, Progress)] for each in events]
        assert percents[1] == sorted(percents[1])
        assert percents[1][-NUM_STEPS:] == pytest.approx(percents[0][-NUM_STEPS:])


async def test_music_that_goes_on_is_diffused_from_the_end_of_the_recording(
    models_dir: Path,
) -> None:
    write_diffusion(models_dir)
    model = MusicGen(TINY_NAME, ModelOptions(models_dir=models_dir))
    await model.load()
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 3 * 32_000)).astype(np.float32)
    plain = GenerationRequest("slow jazz", TINY_NAME, 1, 3, continuation=Recording(noise, 32_000))
    sounds = [
        joined(await events_of(model, replace(plain, multiband_diffusion=diffused)))
        for diffused in (False, True)
    ]
    num_kept = int(2.96 * 32_000)  # what follows is faded
    for sound in sounds:
        assert sound.shape == (1, 4 * 32_000)
        assert np.array_equal(sound[:, :num_kept], noise[:, :num_kept])
    assert not np.allclose(sounds[0][:, -32_000:], sounds[1][:, -32_000:], atol=1e-3)
    await model.close()


async def test_its_weights_count_and_are_given_back(models_dir: Path) -> None:
    options = ModelOptions(models_dir=models_dir, device="cpu")
    needed_bytes = MusicGen(TINY_NAME, options).needed_bytes()
    size_bytes = write_diffusion(models_dir).stat().st_size
    assert num_bytes(models_dir) == size_bytes
    model = MusicGen(TINY_NAME, options)
    assert model.needed_bytes() == needed_bytes + size_bytes
    model.granted_bytes = model.wanted_bytes()
    await model.load()
    assert model._runner is not None
    own_bytes = model._runner.weights_bytes + model.capacity.memory_bytes
    assert model.memory_bytes == own_bytes + size_bytes <= model.granted_bytes
    await events_of(model, GenerationRequest("x", TINY_NAME, 1, 3, multiband_diffusion=True))
    assert model._diffusion is not None
    left = [weakref.ref(model._runner.codec), weakref.ref(model._diffusion._loaded)]
    await model.close()
    gc.collect()
    assert not [each() for each in left if each() is not None]


async def test_over_the_native_engine_it_can_be_left_at_any_moment(models_dir: Path) -> None:
    """While the tokens are drawn, and while they are decoded; the batch goes on meanwhile."""
    write_diffusion(models_dir)
    model = MusicGen(TINY_NAME, ModelOptions(models_dir=models_dir, max_batch=2))
    await model.load()
    request = GenerationRequest("slow jazz", TINY_NAME, 1, 3, multiband_diffusion=True)
    before = joined(await events_of(model, request))
    for percent in (10, 80):
        async with aclosing(model.generate(request)) as events:
            async for event in events:
                if isinstance(event, Progress) and event.percent > percent:
                    break
            await asyncio.wait_for(events.aclose(), 5)
    plain, diffused = await asyncio.gather(
        events_of(model, replace(request, multiband_diffusion=False)), events_of(model, request)
    )
    assert np.array_equal(joined(diffused), before)
    assert not np.array_equal(joined(plain), before)
    await model.close()
