"""What the model lacks or refuses, said before anything is queued."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

for package in ("torch", "phonemizer", "jieba", "huggingface_hub"):
    pytest.importorskip(package, reason="needs the extras musicgen and phonemes")

from server.errors import BadRequest, Unavailable
from server.models.base import ModelOptions
from server.models.diffrhythm import pieces
from server.models.diffrhythm.model import DiffRhythm
from server.models.diffrhythm.pieces import TRANSFORMERS, VAE
from tests.models.diffrhythm.wishes import LYRICS, WISH, noise, unloaded
from tests.models.tiny_diffrhythm import TinyDiffRhythm, tiny_options


@pytest.fixture
def spoilt(tiny_songs: Path, tmp_path: Path) -> Path:
    """The same, for a test that takes something away."""
    return Path(shutil.copytree(tiny_songs, tmp_path / "spoilt"))


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


def test_the_real_style_encoder_needs_its_package_and_weights(tiny_songs: Path) -> None:
    availability = DiffRhythm("diffrhythm", tiny_options(tiny_songs)).info.availability
    assert not availability.available
    lacking = ("muq", "torchaudio", "torchvision", "OpenMuQ/MuQ-MuLan-large")
    assert any(name in availability.reason for name in lacking)
    assert availability.remedy.startswith("Run `")


def test_without_espeak_it_says_how_to_install_it(
    tiny_songs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces.english, "is_installed", lambda: False)
    assert unloaded(tiny_songs).info.availability.remedy == "Run `apt-get install espeak-ng`"


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
    tiny_songs: Path, changes: dict[str, object], field: str, said: str
) -> None:
    with pytest.raises(BadRequest, match=said) as raised:
        unloaded(tiny_songs).resolve(replace(WISH, **changes))
    assert raised.value.field == field


def test_plain_lyrics_get_times(tiny_songs: Path) -> None:
    model = unloaded(tiny_songs)
    resolved = model.resolve(replace(WISH, lyrics="hello\nworld"))
    assert resolved.lyrics is not None
    assert resolved.lyrics.startswith("[00:")
    assert model.resolve(resolved) == resolved
    assert model.interpret(resolved) == {"lyrics": resolved.lyrics}
