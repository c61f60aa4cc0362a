"""The models that hear melodies: checkpoints, what they hear, and what they say of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.errors import Unavailable
from server.events import ModelEvent, Samples, Warning
from server.generation import GenerationRequest, Recording
from server.models.base import Model, ModelOptions
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.musicgen import separation
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.listener import Listener, Tune
from server.models.musicgen.model import MusicGen
from server.models.musicgen.wish import Sampling, Wish
from tests.models.conformance import events_of, joined
from tests.models.musicgen.references import t5_of
from tests.models.musicgen.test_chroma import tune
from tests.models.tiny_melody import MELODY_FRAMES, melody_checkpoints, tiny_melody

MELODY = "facebook/musicgen-melody"
WISH = GenerationRequest("a tune", model=MELODY, duration_seconds=1, seed=3)


def recording(num_notes: int = 6, seed: int = 0, rate: int = 32_000) -> Recording:
    return Recording(tune(num_notes, 0.5, seed)[None], rate)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return melody_checkpoints(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def model(models_dir: Path) -> AsyncIterator[Model]:
    options = ModelOptions(models_dir=models_dir, max_batch=2, device="cpu", precision="fp32")
    made = MusicGen(MELODY, options)
    await made.load()
    yield made
    await made.close()


def warnings_in(events: list[ModelEvent]) -> list[str]:
    return [event.code for event in events if isinstance(event, Warning)]


async def test_a_melody_changes_the_music_and_its_absence_is_no_error(model: Model) -> None:
    assert {"melody", "continuation"} <= model.info.abilities
    sounds = []
    for melody in (None, recording(seed=1), recording(seed=2), recording(seed=1)):
        events = await events_of(model, replace(WISH, melody=melody))
        assert warnings_in(events) == ([] if melody is None else ["unseparated_melody"])
        sounds.append(joined(events))
    assert not np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[1], sounds[2])
    assert np.array_equal(sounds[1], sounds[3])


async def test_a_melody_without_words(model: Model) -> None:
    events = await events_of(model, replace(WISH, prompt="", melody=recording()))
    assert joined(events).shape == (1, 32_000)


@pytest.mark.parametrize("rate", [4_000, 44_100, 192_000])
@pytest.mark.parametrize("seconds", [0.1, 30])
async def test_any_rate_and_length(model: Model, rate: int, seconds: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (2, int(rate * seconds)))
    melody = Recording(noise.astype(np.float32), rate)
    assert joined(await events_of(model, replace(WISH, melody=melody))).shape == (1, 32_000)


async def test_what_a_melody_costs_is_counted(model: Model, tmp_path: Path) -> None:
    bare = model.cost(replace(WISH, prompt="")).memory_bytes
    runner = model._runner  # type: ignore[attr-defined]
    config = runner.config.language_model
    per_position = 2 * 2 * config.num_layers * config.dim * 4
    num_positions = MELODY_FRAMES + 1 + 50 + config.max_delay
    assert bare == whole_pages(num_positions, runner._backend.page_positions) * per_position


def test_both_layouts_are_one_model(tmp_path: Path) -> None:
    made = [
        load(tiny_melody(tmp_path / layout, "mono", layout), t5_of("mono"))
        for layout in ("huggingface", "audiocraft")
    ]
    assert made[0].config.language_model == made[1].config.language_model
    assert made[0].config.language_model.melody_frames == MELODY_FRAMES
    states = [checkpoint.language_model.state_dict() for checkpoint in made]
    assert states[0].keys() == states[1].keys()
    assert "melody_projection.weight" in states[0]
    assert not [name for name in states[0] if "cross" in name]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fuser": {"cross": ["description"], "prepend": ["self_wav"]}}, "prepend"),
        ({"fuser": {"cross": [], "prepend": ["description", "self_wav"]}}, "prepend"),
        ({"conditioners": {"self_wav": {"model": "style"}}}, "self_wav.model is 'style'"),
    ],
)
def test_other_conditions_are_refused(tmp_path: Path, changes: dict, words: str) -> None:
    import yaml

    folder = tiny_melody(tmp_path / "melody", "mono", "audiocraft")
    package = torch.load(folder / "state_dict.bin", weights_only=True)
    config = yaml.safe_load(package["xp.cfg"])
    for part, values in changes.items():
        config[part] |= values
    package["xp.cfg"] = yaml.safe_dump(config)
    torch.save(package, folder / "state_dict.bin")
    with pytest.raises(WrongCheckpoint, match=words):
        load(folder, t5_of("mono"))


async def test_a_folder_with_another_kind_of_model_is_refused(
    models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "facebook").mkdir()
    (tmp_path / "facebook/musicgen-small").symlink_to(models_dir / MELODY)
    model = MusicGen("facebook/musicgen-small", ModelOptions(models_dir=tmp_path))
    with pytest.raises(Unavailable, match="holds a model that hears melodies"):
        await model.load()
    await model.close()


class TestWindows:
    """What each window of a long piece hears."""

    @pytest.fixture
    def listener(self, models_dir: Path) -> Listener:
        made = load(models_dir / MELODY, t5_of("mono"))
        return Listener(made.codec, made.config)

    def wish(self, num_seconds: int) -> Wish:
        return Wish("x", 50 * num_seconds, 1500, 900, 0, Sampling(), 3.0)

    def test_one_window_hears_the_tune_from_its_start(self, listener: Listener) -> None:
        sound = tune(5, 1.0)
        heard = listener.melody(Tune(sound, None), self.wish(30).window_starts())
        assert heard.shape == (1, MELODY_FRAMES)
        assert len(set(heard[0])) > 1

    def test_each_window_hears_what_lies_at_its_time(self, listener: Listener) -> None:
        sound = tune(20, 1.0)
        starts = self.wish(60).window_starts()
        assert starts == [0, 900, 1800]
        heard = listener.melody(Tune(sound, None), starts)
        assert heard.shape == (3, MELODY_FRAMES)
        later = listener.melody(Tune(np.roll(sound, -18 * 32_000), None), [0, 900])
        assert np.array_equal(heard[1], later[0])


class FakeDemucs:
    """Four stems of a mix; what is heard of it is 3/4."""

    samplerate, audio_channels = 44_100, 2
    sources = ["drums", "bass", "other", "vocals"]  # noqa: RUF012

    def eval(self) -> FakeDemucs:
        return self


@pytest.fixture
def demucs(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A package of that name with the two functions that are used."""
    state = SimpleNamespace(num_loaded=0, fails=False)

    def get_model(name: str) -> FakeDemucs:
        assert name == "htdemucs"
        state.num_loaded += 1
        if state.fails:
            raise OSError("no network")
        return FakeDemucs()

    def apply_model(model: FakeDemucs, mix: torch.Tensor) -> torch.Tensor:
        assert mix.shape[:2] == (1, 2)
        shares = torch.tensor([0.2, 0.05, 0.5, 0.25])
        return mix[:, None] * shares[:, None, None]

    for name, content in (
        ("pretrained", {"get_model": get_model}),
        ("apply", {"apply_model": apply_model}),
    ):
        module = ModuleType(f"demucs.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"demucs.{name}", module)
    monkeypatch.setitem(sys.modules, "demucs", ModuleType("demucs"))
    monkeypatch.setattr(separation, "find_spec", lambda name: object())
    separation._model.cache_clear()
    return state


def test_with_demucs_only_vocals_and_the_rest_are_heard(demucs: SimpleNamespace) -> None:
    sound: Samples = tune(3, 1.0)[None]
    heard, warning = separation.separated(sound, 32_000)
    assert warning is None
    assert heard.shape == sound.shape
    middle = slice(4_000, -4_000)  # the resampling has edges
    assert np.corrcoef(heard[0, middle], sound[0, middle])[0, 1] > 0.999
    assert np.abs(heard[0, middle]).mean() / np.abs(sound[0, middle]).mean() == pytest.approx(
        0.75, rel=0.02
    )


def test_demucs_that_fails_is_a_warning(demucs: SimpleNamespace) -> None:
    demucs.fails = True
    sound: Samples = tune(1, 1.0)[None]
    heard, warning = separation.separated(sound, 32_000)
    assert heard is sound
    assert warning is not None
    assert "demucs failed" in warning.message


async def test_takes_share_what_was_heard(model: Model, demucs: SimpleNamespace) -> None:
    separation._model.cache_clear()
    melody = recording()
    for take in range(3):
        events = await events_of(model, replace(WISH, melody=melody, seed=take))
        assert not warnings_in(events)
    assert demucs.num_loaded == 1
    tunes = model._runner.listener._tunes  # type: ignore[attr-defined]
    assert list(tunes) == [melody]
    del melody
    import gc

    gc.collect()
    assert not tunes
