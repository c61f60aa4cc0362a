"""The model as the server sees it: names, places, options, events, refusals."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from server.errors import TooLarge, Unavailable
from server.events import AudioChunk, ModelEvent
from server.generation import GenerationRequest
from server.models.base import ModelOptions, Resources, installed
from server.models.musicgen import model as model_module
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.model import MusicGen
from server.models.musicgen.variants import VARIANTS
from server.models.registry import ALIASES, CATALOG, Registry
from tests.models.tiny_musicgen import FIXTURES, STEREO_NAME, TINY_NAME, tiny_checkpoints

needs_torch = pytest.mark.skipif(
    not installed(model_module.NEEDED, "").available, reason="needs the extra musicgen"
)
LOOK_AHEAD_SAMPLES = 2402


def test_every_published_name_is_served() -> None:
    assert set(VARIANTS) <= set(CATALOG)
    registry = Registry(CATALOG, ModelOptions())
    for alias in ("musicgen-small-stereo", "facebook/musicgen-large-stereo"):
        assert registry.entry(alias) is registry.entry(ALIASES[alias])
        assert registry.entry(alias).model.info.channels == 2
    assert set(ALIASES.values()) <= set(CATALOG)


def test_the_weights_licence_is_stated() -> None:
    assert MusicGen(TINY_NAME, ModelOptions()).info.weights_licence == "CC-BY-NC 4.0"


def test_importing_and_building_need_no_torch() -> None:
    code = (
        "import sys; from server.models.registry import *; "
        "Registry(CATALOG, ModelOptions()); "
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    root = Path(model_module.__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=30)


async def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "NEEDED", ("torch_that_is_missing",))
    model = MusicGen(TINY_NAME, ModelOptions())
    assert not model.info.availability.available
    assert "torch_that_is_missing" in model.info.availability.reason
    assert 'pip install -e ".[musicgen]"' in model.info.availability.remedy
    with pytest.raises(Unavailable, match=r"pip install"):
        await model.load()


def request(seconds: int = 2, **changes: object) -> GenerationRequest:
    known: dict[str, object] = {"prompt": "a test", "duration_seconds": seconds, "seed": 3}
    return GenerationRequest(**{**known, **changes})  # type: ignore[arg-type]


async def loaded(name: str, models_dir: Path, **options: object) -> MusicGen:
    model = MusicGen(name, ModelOptions(models_dir=models_dir, **options))  # type: ignore[arg-type]
    await model.load()
    return model


async def events_of(model: MusicGen, wanted: GenerationRequest) -> list[ModelEvent]:
    async with aclosing(model.generate(wanted)) as events:
        return [event async for event in events]


async def sizes_of(model: MusicGen, wanted: GenerationRequest) -> list[int]:
    """Samples of each chunk."""
    events = await events_of(model, wanted)
    return [event.samples.shape[1] for event in events if isinstance(event, AudioChunk)]


@needs_torch
class TestLoaded:
    @pytest.mark.parametrize("layout", ["huggingface", "audiocraft"])
    @pytest.mark.parametrize(("name", "channels"), [(TINY_NAME, 1), (STEREO_NAME, 2)])
    async def test_both_layouts_are_served(
        self, tmp_path: Path, name: str, channels: int, layout: str
    ) -> None:
        model = await loaded(name, tiny_checkpoints(tmp_path, layout))
        events = await events_of(model, request(1))
        shapes = [event.samples.shape for event in events if isinstance(event, AudioChunk)]
        assert {shape[0] for shape in shapes} == {channels}
        assert sum(shape[1] for shape in shapes) == 32_000
        assert model.activity == ""
        await model.close()

    async def test_the_first_sound_comes_soon_and_chunks_grow_to_a_second(
        self, tmp_path: Path
    ) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        events = await events_of(model, request(12))
        kinds = [type(event) for event in events]
        assert kinds.index(AudioChunk) == 8 + 3 - 1  # 8 frames, the last codebook 3 steps late
        sizes = [event.samples.shape[1] for event in events if isinstance(event, AudioChunk)]
        assert sizes[0] == 8 * 640 - LOOK_AHEAD_SAMPLES
        assert sum(sizes) == 12 * 32_000
        growing = sizes[:-1]
        assert growing == sorted(growing)
        assert max(growing) == 32_000
        heard = np.cumsum(sizes)
        for before, after in pairwise(heard):  # what was heard plays while more is made
            assert after + LOOK_AHEAD_SAMPLES <= 8 * 640 + 1.25 * before
        await model.close()

    async def test_when_the_first_sound_comes_is_a_setting(self, tmp_path: Path) -> None:
        folder = tiny_checkpoints(tmp_path)
        for seconds, frames in ((0.02, 5), (1.0, 50)):  # sound needs more than 3.75 frames
            model = await loaded(TINY_NAME, folder, first_audio_seconds=seconds)
            sizes = await sizes_of(model, request(2))
            assert sizes[0] <= frames * 640 - LOOK_AHEAD_SAMPLES
            assert sum(sizes) == 64_000
            await model.close()

    async def test_controls_reach_the_sampling(self, tmp_path: Path) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        greedy = [await self.sound(model, temperature=0.0, seed=seed) for seed in (1, 2)]
        assert greedy[0] == greedy[1]
        plain = await self.sound(model)
        assert plain == await self.sound(model, temperature=1.0, top_k=250, top_p=0.0, guidance=3.0)
        for change in ({"top_k": 3}, {"top_p": 0.3}, {"temperature": 0.5}, {"guidance": 1.0}):
            assert await self.sound(model, **change) != plain
        await model.close()

    async def sound(self, model: MusicGen, **changes: object) -> bytes:
        events = await events_of(model, request(1, **changes))
        return b"".join(e.samples.tobytes() for e in events if isinstance(e, AudioChunk))

    @pytest.mark.parametrize(
        "prompt", ["", " ", "\x00\x01", "♫" * 10_000, "word " * 250, "\ud800", "</s><pad>"]
    )
    async def test_any_prompt_makes_music(self, tmp_path: Path, prompt: str) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        assert sum(await sizes_of(model, request(1, prompt=prompt))) == 32_000
        await model.close()

    async def test_a_prompt_of_too_many_tokens_is_refused_with_the_numbers(
        self, tmp_path: Path
    ) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        assert model.cost(request()).slots == 1
        wordy = request(prompt="ab, " * 2000)
        with pytest.raises(TooLarge, match=r"at most 2048 tokens .* got \d{4,5} tokens"):
            model.cost(wordy)
        with pytest.raises(TooLarge):
            await anext(model.generate(wordy))
        await model.close()

    async def test_a_request_costs_the_memory_of_its_longest_window_and_its_text(
        self, tmp_path: Path
    ) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        cost = {seconds: model.cost(request(seconds)) for seconds in (1, 2, 30, 60)}
        assert {each.slots for each in cost.values()} == {1}
        backend = model._runner._backend  # type: ignore[union-attr]
        for seconds in (2, 30):
            positions = [whole_pages(50 * s + 3, backend.page_positions) for s in (1, seconds)]
            more_bytes = cost[seconds].memory_bytes - cost[1].memory_bytes
            assert more_bytes == (positions[1] - positions[0]) * backend.bytes_per_position > 0
        assert cost[60] == cost[30]  # made in windows
        wordier = model.cost(request(1, prompt="a test " * 9))
        assert wordier.memory_bytes > cost[1].memory_bytes
        assert model.memory_bytes > model.capacity.memory_bytes >= 4 * cost[60].memory_bytes
        await model.close()

    async def test_what_can_never_fit_is_refused_with_the_numbers(self, tmp_path: Path) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path))
        model.capacity = Resources(4, model.cost(request(3)).memory_bytes)
        assert model.cost(request(3)).fit(model.capacity)
        with pytest.raises(TooLarge, match=r"of 4 .* need \d.* of memory; the model has \d"):
            model.cost(request(4))
        with pytest.raises(TooLarge):
            await anext(model.generate(request(4)))
        await model.close()

    @pytest.mark.parametrize(("max_batch", "slots"), [(None, 4), (1, 1), (7, 7)])
    async def test_how_many_at_once(
        self, tmp_path: Path, max_batch: int | None, slots: int
    ) -> None:
        model = await loaded(TINY_NAME, tiny_checkpoints(tmp_path), max_batch=max_batch)
        assert model.capacity.slots == slots
        await model.close()

    async def test_a_folder_of_the_operators_own_is_served(self, tmp_path: Path) -> None:
        folder = FIXTURES / "stereo" / "huggingface"
        model = await loaded("mine", tmp_path, checkpoints={"mine": folder})
        assert model.info.channels == 2
        assert sum(await sizes_of(model, request(1))) == 32_000
        await model.close()


async def refusal(name: str, models_dir: Path, **options: object) -> str:
    model = MusicGen(name, ModelOptions(models_dir=models_dir, **options))  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as raised:
        await model.load()
    assert raised.value.remedy
    await model.close()
    assert str(models_dir) not in raised.value.message
    return raised.value.message


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No downloads and an empty cache; gives the folder of the cache."""
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@needs_torch
class TestAvailability:
    def test_offline_without_weights_it_is_unavailable_at_once(
        self, tmp_path: Path, offline: Path
    ) -> None:
        found = MusicGen(TINY_NAME, ModelOptions(models_dir=tmp_path)).info.availability
        assert "HF_HUB_OFFLINE is set" in found.reason
        assert f"`hf download {TINY_NAME}`" in found.remedy
        assert str(tmp_path) not in found.reason + found.remedy

    async def test_weights_that_come_later_are_found(self, tmp_path: Path, offline: Path) -> None:
        model = MusicGen(TINY_NAME, ModelOptions(models_dir=tmp_path))
        with pytest.raises(Unavailable, match=rf"Run `hf download {TINY_NAME}`"):
            await model.load()
        tiny_checkpoints(tmp_path)
        assert model.info.availability.available
        await model.load()
        assert sum(await sizes_of(model, request(1))) == 32_000
        await model.close()

    @pytest.mark.parametrize("lacking", ["", "model.safetensors", "config.json"])
    def test_a_cache_counts_only_if_it_is_complete(self, offline: Path, lacking: str) -> None:
        repository = offline / f"models--{TINY_NAME.replace('/', '--')}"
        snapshot = repository / "snapshots" / "0123"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0123")
        shutil.copytree(FIXTURES / "mono" / "huggingface", snapshot)
        if lacking:
            (snapshot / lacking).unlink()
        model = MusicGen(TINY_NAME, ModelOptions(models_dir=offline))
        assert model.info.availability.available == (not lacking)
        index = snapshot / "model.safetensors.index.json"
        index.write_text("<html>")  # of a repository in shards whose weights did not come
        assert model.info.availability.available == (not lacking)

    def test_a_folder_of_the_operators_own_is_at_hand(self, offline: Path) -> None:
        options = ModelOptions(models_dir=offline, checkpoints={"mine": FIXTURES})
        assert MusicGen("mine", options).info.availability.available

    async def test_what_a_request_may_not_download_is_unavailable_until_it_is_there(
        self, tmp_path: Path, offline: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        options = ModelOptions(models_dir=tmp_path, downloads=frozenset({STEREO_NAME}))
        model = MusicGen(TINY_NAME, options)
        found = model.info.availability
        assert "ALLOW_DOWNLOADS" in found.reason
        assert f"`hf download {TINY_NAME}`" in found.remedy
        with pytest.raises(Unavailable, match="ALLOW_DOWNLOADS"):
            await model.load()
        assert MusicGen(STEREO_NAME, options).info.availability.available
        tiny_checkpoints(tmp_path)
        assert model.info.availability.available

    def test_where_downloads_are_allowed_it_is_available(
        self, offline: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        assert MusicGen(TINY_NAME, ModelOptions(models_dir=offline)).info.availability.available


@needs_torch
class TestRefused:
    async def test_the_wrong_channels(self, tmp_path: Path) -> None:
        (tmp_path / "facebook").mkdir()
        (tmp_path / TINY_NAME).symlink_to(FIXTURES / "stereo" / "huggingface")
        assert "holds a model of 2 channel(s), not of 1" in await refusal(TINY_NAME, tmp_path)

    async def test_a_damaged_file(self, tmp_path: Path) -> None:
        folder = tmp_path / TINY_NAME
        folder.mkdir(parents=True)
        for file in (FIXTURES / "mono" / "huggingface").iterdir():
            (folder / file.name).write_bytes(file.read_bytes()[:5000])
        said = await refusal(TINY_NAME, tmp_path)
        assert "model.safetensors is incomplete, damaged" in said
        assert f"hf download {TINY_NAME}" in said

    async def test_a_precision_it_does_not_have(self, tmp_path: Path) -> None:
        said = await refusal(TINY_NAME, tiny_checkpoints(tmp_path), precision="fp8")
        assert "PRECISION=fp8" in said
        assert "fp16" in said

    async def test_a_device_that_is_not_there(self, tmp_path: Path) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has the device")
        said = await refusal(TINY_NAME, tiny_checkpoints(tmp_path), device="cuda")
        assert "DEVICE=cuda is not on this machine" in said
        assert "one of: cpu" in said
