"""Loudness against the library that measures it; levels that never clip."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.levels import PEAK_DBFS, TARGET_LUFS, gain_to
from server.audio.loudness import loudness
from server.events import Samples

RATES = (8_000, 32_000, 44_100, 48_000)
PEAK = 10 ** (PEAK_DBFS / 20)


def noise(seconds: float, rate: int, channels: int = 2, level: float = 0.1) -> Samples:
    """Noise that is loud, soft and silent in turn, so that the gates have work."""
    random = np.random.default_rng(7)
    time = np.arange(int(seconds * rate)) / rate
    swell = np.where(time % 3 < 1, 1.0, np.where(time % 3 < 2, 0.02, 0.0))
    return (random.uniform(-level, level, (channels, len(time))) * swell).astype(np.float32)


def pieces(sound: Samples, num_samples: int) -> list[Samples]:
    return [
        sound[:, start : start + num_samples] for start in range(0, sound.shape[1], num_samples)
    ]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_it_measures_what_the_library_measures(rate: int, channels: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm measures the loudness")
    sound = noise(9.03, rate, channels)
    # its own filters fit 48 kHz; De Man's are right at any rate
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    assert loudness([sound], rate) == pytest.approx(meter.integrated_loudness(sound.T), abs=0.02)


def test_how_the_sound_is_cut_changes_nothing() -> None:
    sound = noise(3, 8_000)
    whole = loudness([sound], 8_000)
    for num_samples in (1, 799, 800, 5_000):
        assert loudness(pieces(sound, num_samples), 8_000) == pytest.approx(whole, abs=1e-9)


def test_peak() -> None:
    chunks = pieces(noise(2, 8_000), 3_000)
    sound = np.concatenate(chunks, axis=1) * gain_to("peak", chunks, 8_000)
    assert np.abs(sound).max() == pytest.approx(PEAK, rel=1e-5)


@pytest.mark.parametrize("level", [0.001, 0.3])
def test_loudness(level: float) -> None:
    chunks = pieces(noise(4, 8_000, level=level), 3_000)
    sound = np.concatenate(chunks, axis=1) * gain_to("loudness", chunks, 8_000)
    assert loudness([sound], 8_000) == pytest.approx(TARGET_LUFS, abs=0.05)
    assert np.abs(sound).max() <= PEAK * 1.00001


def test_loudness_never_clips() -> None:
    """A click in near silence would have to be raised far above full scale."""
    sound = noise(4, 8_000, level=0.003)
    sound[:, 9_000] = 0.5
    loud = sound * gain_to("loudness", [sound], 8_000)
    assert np.abs(loud).max() == pytest.approx(PEAK, rel=1e-5)
    assert loudness([loud], 8_000) < TARGET_LUFS


@pytest.mark.parametrize("level", ["peak", "loudness"])
@pytest.mark.parametrize(
    "chunks", [[], [np.zeros((2, 0), np.float32)], [np.zeros((2, 9_000), np.float32)]]
)
def test_silence_stays_silence(level: str, chunks: list[Samples]) -> None:
    assert gain_to(level, chunks, 8_000) == 1  # type: ignore[arg-type]


def test_the_shortest_sound_has_a_loudness() -> None:
    for num_samples in (1, 799, 801, 3_199):
        assert np.isfinite(gain_to("loudness", [noise(1, 8_000)[:, :num_samples]], 8_000))


def test_nothing_is_touched_unasked() -> None:
    assert gain_to(None, [noise(1, 8_000)], 8_000) == 1
