from __future__ import annotations

import numpy as np
import pytest

from server.audio.resampling import num_resampled, resampled, with_channels

SECONDS = 2


def sine(sample_rate: int, hertz: float) -> np.ndarray:
    """[1, SECONDS * sample_rate], which fades in and out."""
    t = np.arange(SECONDS * sample_rate) / sample_rate
    return (0.5 * np.sin(np.pi * t / SECONDS) * np.sin(2 * np.pi * hertz * t))[None].astype("f4")


@pytest.mark.parametrize("sample_rate", [8_000, 24_000, 32_000, 44_100, 96_000])
def test_a_tone_is_the_same_tone_at_the_same_time(sample_rate: int) -> None:
    made = resampled(sine(sample_rate, 440), sample_rate, 48_000)
    assert made.dtype == np.float32
    assert made.shape == (1, SECONDS * 48_000)
    assert np.abs(made - sine(48_000, 440)).max() < 0.002


def test_what_cannot_be_heard_at_the_new_rate_does_not_come_back_as_another_tone() -> None:
    assert np.abs(resampled(sine(48_000, 15_000), 48_000, 16_000)).max() < 0.002


def test_the_same_rate_is_the_same_sound() -> None:
    sound = sine(48_000, 440)
    assert resampled(sound, 48_000, 48_000) is sound


@pytest.mark.parametrize("num_samples", [1, 7, 440, 44_100])
def test_the_number_of_samples_is_known_before(num_samples: int) -> None:
    sound = np.zeros((1, num_samples), np.float32)
    made = resampled(sound, 44_100, 32_000)
    assert made.shape[1] == num_resampled(num_samples, 44_100, 32_000)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("wanted", [1, 2])
def test_channels(channels: int, wanted: int) -> None:
    sound = np.arange(channels * 5, dtype=np.float32).reshape(channels, 5)
    made = with_channels(sound, wanted)
    assert made.shape == (wanted, 5)
    expected = sound if channels == wanted else np.repeat(sound.mean(0, keepdims=True), wanted, 0)
    assert np.array_equal(made, expected)
