"""Styles by the real package, from weights that lie in folders."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("muq") is None:
    pytest.skip("make test-muq installs muq", allow_module_level=True)

import torch

from server.generation import Recording
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.places import Places
from server.models.diffrhythm.style import MODEL, MuQ, of_recording

CPU = torch.device("cpu")


def encoder(models_dir: Path) -> MuQ:
    return MuQ(Places(models_dir, lambda activity: None, may_download=False).find, CPU)


@pytest.fixture(scope="module")
def style(models_dir: Path) -> MuQ:
    return encoder(models_dir)


def tone(hertz: float, seconds: float = 12.0, rate: int = 44_100) -> Recording:
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return Recording(np.stack([wave, wave]).astype(np.float32), rate)


def test_words_and_sounds_have_a_place_of_length_one(style: MuQ) -> None:
    for made in (style.of_text("slow warm jazz"), of_recording(style, tone(440.0))):
        assert made.shape == (512,)
        assert made.dtype == torch.float32
        assert float(made.norm()) == pytest.approx(1.0, abs=1e-4)


def test_the_same_gives_the_same_and_another_another(style: MuQ) -> None:
    assert torch.equal(style.of_text("slow jazz"), style.of_text("slow jazz"))
    assert not torch.equal(style.of_text("slow jazz"), style.of_text("rock"))
    first, second = (of_recording(style, tone(hertz)) for hertz in (220.0, 3000.0))
    assert torch.equal(first, of_recording(style, tone(220.0)))
    assert not torch.equal(first, second)


def test_the_last_hidden_state_is_what_is_used(style: MuQ) -> None:
    audio = style._model.mulan.audio
    waves = torch.randn(1, 240_000)
    with torch.inference_mode():
        states = audio.model(waves, output_hidden_states=True).hidden_states
        _, again = audio.model.model.get_predictions(waves, is_features_only=True)
    assert torch.equal(states[-1], again[-1])


def test_it_says_what_it_holds(style: MuQ) -> None:
    assert style.num_bytes > 10_000


def test_weights_that_lack_something_are_refused(models_dir: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    spoilt = Path(shutil.copytree(models_dir, tmp_path / "spoilt"))
    file = spoilt / MODEL / "model.safetensors"
    weights = load_file(file)
    del weights["mulan.text_to_latents.bias"]
    save_file(weights, file)
    with pytest.raises(WrongCheckpoint, match=r"lack mulan\.text_to_latents\.bias"):
        encoder(spoilt)
