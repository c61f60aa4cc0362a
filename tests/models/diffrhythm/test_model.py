"""The model between the service and the engine: what it refuses, makes, stops and lets go of."""

from __future__ import annotations

import asyncio
import gc
import shutil
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "phonemizer", "jieba", "huggingface_hub"):
    pytest.importorskip(package, reason="needs the extras musicgen and phonemes")

from server.errors import BadRequest, Unavailable
from server.events import AudioChunk, Progress
from server.generation import GenerationRequest, Recording
from server.models.base import ModelOptions
from server.models.diffrhythm import pieces
from server.models.diffrhythm.editing import prepared
from server.models.diffrhythm.model import DiffRhythm
from server.models.diffrhythm.pieces import TRANSFORMERS, VAE
from tests.models.conformance import events_of, joined
from tests.models.tiny_diffrhythm import TinyDiffRhythm, tiny_options

RATE = 44_100
WISH = GenerationRequest("slow rock", model="diffrhythm", duration_seconds=95, seed=7)
LYRICS = "[00:02.00]Paper lanterns on the water\n[00:07.00]我说hello你说再见\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_options(folder)
    return folder


@pytest.fixture
def spoilt(folder: Path, tmp_path: Path) -> Path:
    """The same, for a test that takes something away."""
    return Path(shutil.copytree(folder, tmp_path / "spoilt"))


@pytest.fixture
async def model(folder: Path) -> AsyncIterator[TinyDiffRhythm]:
    model = TinyDiffRhythm("diffrhythm", tiny_options(folder))
    await model.load()
    yield model
    await model.close()


def unloaded(folder: Path, **changes: object) -> TinyDiffRhythm:
    return TinyDiffRhythm("diffrhythm", tiny_options(folder, **changes))


def noise(seconds: float, channels: int = 2, rate: int = RATE, peak: float = 0.3) -> Recording:
    random = np.random.default_rng(3)
    shape = (channels, int(seconds * rate))
    return Recording(random.uniform(-peak, peak, shape).astype(np.float32), rate)


# ── what is lacking ──────────────────────────────────────────────────────────────────────────────


def take_clone(folder: Path) -> None:
    shutil.rmtree(folder / "clone")


def take_vae(folder: Path) -> None:
    shutil.rmtree(folder / "models" / VAE)


def take_transformers(folder: Path) -> None:
    for name in TRANSFORMERS.values():
        shutil.rmtree(folder / "models" / name)


@pytest.mark.parametrize(
    ("take", "reason", "command"),
    [
        (take_clone, "g2p/g2p/vocab.json of DiffRhythm's repository is missing", pieces.CLONE),
        (
            take_vae,
            "DiffRhythm-vae are missing",
            "hf download ASLP-lab/DiffRhythm-vae",
        ),
        (take_transformers, "DiffRhythm-1_2-full are", "hf download ASLP-lab/DiffRhythm-1_2`"),
    ],
)
async def test_what_is_lacking_is_said_with_the_command(
    spoilt: Path, take: Callable[[Path], None], reason: str, command: str
) -> None:
    take(spoilt)
    model = unloaded(spoilt)
    availability = model.info.availability
    assert not availability.available
    assert reason in availability.reason
    assert command in availability.remedy
    with pytest.raises(Unavailable):
        await model.load()
    await model.close()


def test_all_that_is_lacking_is_said_at_once(tmp_path: Path) -> None:
    options = ModelOptions(
        models_dir=tmp_path, diffrhythm_home=tmp_path / "clone", downloads=frozenset()
    )
    remedy = TinyDiffRhythm("diffrhythm", options).info.availability.remedy
    assert remedy.count("`") == 2 * 4


def test_the_real_style_encoder_needs_its_package_and_weights(folder: Path) -> None:
    availability = DiffRhythm("diffrhythm", tiny_options(folder)).info.availability
    assert not availability.available
    lacking = ("muq", "torchaudio", "torchvision", "OpenMuQ/MuQ-MuLan-large")
    assert any(name in availability.reason for name in lacking)
    assert availability.remedy.startswith("Run `")


def test_without_espeak_it_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces.english, "is_installed", lambda: False)
    assert unloaded(folder).info.availability.remedy == "Run `apt-get install espeak-ng`"


def test_a_length_whose_weights_are_missing_is_refused_and_the_other_is_not(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "models" / "ASLP-lab/DiffRhythm-1_2-full")
    model = unloaded(spoilt)
    assert model.info.availability.available
    model.resolve(WISH)
    with pytest.raises(Unavailable, match="hf download ASLP-lab/DiffRhythm-1_2-full"):
        model.resolve(replace(WISH, duration_seconds=96))


def test_chinese_without_its_files_is_refused_and_english_is_not(spoilt: Path) -> None:
    (spoilt / "clone/g2p/sources/chinese_lexicon.txt").unlink()
    model = unloaded(spoilt)
    model.resolve(replace(WISH, lyrics="[00:01.00]hello"))
    with pytest.raises(Unavailable, match=r"chinese_lexicon\.txt"):
        model.resolve(replace(WISH, lyrics=LYRICS))


async def test_damaged_weights_are_named_at_load(spoilt: Path) -> None:
    for name in TRANSFORMERS.values():
        (spoilt / "models" / name / "cfm_model.pt").write_bytes(b"half a file")
    model = unloaded(spoilt)
    with pytest.raises(Unavailable, match=r"DiffRhythm-1_2 cannot be used: cfm_model.pt is incom"):
        await model.load()
    await model.close()


@pytest.mark.parametrize("name", ["g2p/g2p/vocab.json", "infer/example/vocal.npy"])
async def test_a_damaged_clone_is_named_at_load(spoilt: Path, name: str) -> None:
    (spoilt / "clone" / name).write_bytes(b"\xff nothing")
    model = unloaded(spoilt)
    with pytest.raises(Unavailable, match=f"{name} of DiffRhythm's repository cannot be read"):
        await model.load()
    await model.close()


# ── what is refused before anything is queued ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"lyrics": "[00:01.00]hello\n[00:02.00]привет"}, "lyrics", "line 2 is in a script"),
        ({"style_audio": noise(9.9)}, "style_audio", "at least 10 s"),
        ({"style_audio": noise(12, peak=1e-6)}, "style_audio", "is silent"),
        (
            {"edited_song": noise(95), "edit_segments": ((1.0, 1.04),)},
            "edit_segments",
            "at least 47 ms",
        ),
        (
            {"edited_song": noise(95, peak=1e-6), "edit_segments": ((1.0, 2.0),)},
            "edited_song",
            "is silent",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    folder: Path, changes: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(BadRequest, match=said) as raised:
        unloaded(folder).resolve(replace(WISH, **changes))
    assert raised.value.field == field


def test_plain_lyrics_get_times(folder: Path) -> None:
    model = unloaded(folder)
    resolved = model.resolve(replace(WISH, lyrics="hello\nworld"))
    assert resolved.lyrics is not None
    assert resolved.lyrics.startswith("[00:")
    assert model.resolve(resolved) == resolved
    assert model.interpret(resolved) == {"lyrics": resolved.lyrics}


# ── what is made ─────────────────────────────────────────────────────────────────────────────────


async def sound(model: TinyDiffRhythm, **changes: object) -> np.ndarray:
    return joined(await events_of(model, replace(WISH, **changes)))


async def test_lyrics_style_and_guidance_are_heard(model: TinyDiffRhythm) -> None:
    plain = await sound(model)
    assert not np.array_equal(plain, await sound(model, lyrics=LYRICS))
    assert not np.array_equal(plain, await sound(model, prompt="fast jazz"))
    by_sound = await sound(model, prompt="", style_audio=noise(12.3, channels=1, rate=16_000))
    assert not np.array_equal(plain, by_sound)
    assert not np.array_equal(plain, await sound(model, guidance=1.0))


async def test_chunks_come_as_they_are_decoded_and_are_the_whole(model: TinyDiffRhythm) -> None:
    events = await events_of(model, WISH)
    kinds = [type(event) for event in events]
    first = kinds.index(AudioChunk)
    assert kinds[first:] == [AudioChunk, Progress] * 21
    in_one = await events_of(model, replace(WISH, whole_decoding=True))
    assert [type(event) for event in in_one].count(AudioChunk) == 1
    assert joined(in_one).shape == joined(events).shape


async def test_both_lengths_are_made_one_after_the_other(model: TinyDiffRhythm) -> None:
    for seconds in (95, 96, 95):
        made = await sound(model, duration_seconds=seconds)
        assert made.shape == (2, seconds * RATE)


async def test_takes_are_those_of_their_seeds(model: TinyDiffRhythm) -> None:
    takes = [joined(await events_of(model, WISH.take(number))) for number in (0, 1)]
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


# ── stopping, and letting go ─────────────────────────────────────────────────────────────────────


class Counting(TinyDiffRhythm):
    """As many steps as published, counted."""

    num_points = 32


@pytest.mark.parametrize("num_events", [1, 3, 4])
async def test_a_song_is_stopped_within_a_step(
    folder: Path, num_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.models.diffrhythm.transformer import Transformer

    model = Counting("diffrhythm", tiny_options(folder))
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


async def test_nothing_of_it_stays_when_it_is_closed(folder: Path) -> None:
    model = unloaded(folder)
    await model.load()
    await events_of(model, WISH)
    assert model.memory_bytes > 0
    assert model.needed_bytes() > 4_000_000_000
    held = weakref.ref(model._engine.transformers.of(2048))  # type: ignore[union-attr]
    await model.close()
    gc.collect()
    assert held() is None


def test_cpu_for_styles_leaves_a_gpu_its_memory(folder: Path) -> None:
    def needed(style_device: str) -> int:
        options = tiny_options(folder, device="cuda", style_device=style_device)
        return DiffRhythm("diffrhythm", options).needed_bytes()

    assert needed("auto") - needed("cpu") == 2_700_000_000
