"""What is heard of a melody, against librosa's bank and transformers' feature extractor."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.models.musicgen.chroma import (
    HOP_SAMPLES,
    WINDOW_SAMPLES,
    bank,
    num_frames,
    pitch_classes,
)

RATE = 32_000
LENGTH = 235  # of 30 s


class Spectrogram:
    """As torchaudio defines its power spectrogram, over torch's own transform."""

    def __init__(self, n_fft: int, hop_length: int, **options: object) -> None:
        expected = {"win_length": n_fft, "power": 2, "center": True, "pad": 0, "normalized": True}
        assert options == expected
        self._window = torch.hann_window(n_fft)
        self._sizes = n_fft, hop_length

    def __call__(self, wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, *self._sizes, window=self._window, return_complex=True)
        return (spectrum / self._window.square().sum().sqrt()).abs().square()


@pytest.fixture
def their_classes(monkeypatch: pytest.MonkeyPatch):
    """The pitch classes that transformers hears in mono sound of 32 kHz."""
    name = "transformers.models.musicgen_melody.feature_extraction_musicgen_melody"
    module = importlib.import_module(name)
    torchaudio = SimpleNamespace(transforms=SimpleNamespace(Spectrogram=Spectrogram))
    monkeypatch.setattr(module, "torchaudio", torchaudio, raising=False)
    extractor = module.MusicgenMelodyFeatureExtractor()

    def classes(sound: np.ndarray) -> np.ndarray:
        features = extractor(sound, sampling_rate=RATE, return_tensors="pt")["input_features"]
        return features[0].argmax(dim=-1).numpy()

    return classes


def tune(num_notes: int, seconds: float, seed: int = 0) -> np.ndarray:
    """Notes with overtones and some noise."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    notes = []
    for _ in range(num_notes):
        hertz = 110 * 2 ** (random.integers(36) / 12)
        notes.append(sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 6)))
    sound = np.concatenate(notes) * 0.2
    return (sound + random.normal(0, 0.02, len(sound))).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 32_000, 44_100])
def test_the_bank_is_librosas(rate: int) -> None:
    librosa = pytest.importorskip("librosa", reason="librosa has the bank")
    theirs = librosa.filters.chroma(sr=rate, n_fft=WINDOW_SAMPLES, tuning=0, n_chroma=12)
    assert np.abs(bank(rate) - theirs).max() < 1e-6


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.512, 0.6, 3.0])
def test_the_classes_are_those_of_transformers(their_classes, seconds: float) -> None:
    sound = tune(num_notes=8, seconds=seconds / 8, seed=int(10 * seconds))
    theirs = their_classes(sound)
    assert np.array_equal(pitch_classes(sound, RATE, len(theirs)), theirs)


def test_noise_is_heard_the_same(their_classes) -> None:
    """All classes are nearly as strong, so that float32 may decide otherwise now and then."""
    sound = np.random.default_rng(5).normal(0, 0.2, 30 * RATE).astype(np.float32)
    theirs = their_classes(sound)
    assert len(theirs) == LENGTH == num_frames(30, RATE)
    assert (pitch_classes(sound, RATE, LENGTH) == theirs).mean() > 0.99


def test_what_is_shorter_repeats_and_what_is_longer_is_cut() -> None:
    sound = tune(4, 1.0)
    once = pitch_classes(sound, RATE, num_frames(4, RATE))
    assert len(set(once)) > 1
    repeated = pitch_classes(sound, RATE, LENGTH)
    assert np.array_equal(repeated, np.tile(once, 8)[:LENGTH])
    assert np.array_equal(pitch_classes(sound, RATE, 10), once[:10])


@pytest.mark.parametrize("semitone", range(12))
def test_a_note_is_its_pitch_class(semitone: int) -> None:
    time = np.arange(2 * RATE) / RATE
    sound = np.sin(2 * np.pi * 261.6256 * 2 ** (semitone / 12) * time).astype(np.float32)
    assert set(pitch_classes(sound, RATE, 16)) == {semitone}


def test_silence_is_heard_as_c() -> None:
    """As the reference hears it; what stands for no melody is the same."""
    assert not pitch_classes(np.zeros(RATE, np.float32), RATE, LENGTH).any()


def test_the_window_is_centred() -> None:
    """A click is in the windows around it and in no other."""
    sound = np.zeros(20 * HOP_SAMPLES, np.float32)
    sound[10 * HOP_SAMPLES] = 1.0
    heard = np.flatnonzero(pitch_classes(sound, RATE, 21))
    assert set(heard) <= {9, 10, 11}
    assert 10 in heard
