from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from server.audio.formats import FORMATS, Stopped, encode
from server.audio.waveform import to_pcm16
from tests.fakes import SAMPLE_RATE, tone

CHUNKS = [tone(1, second)[:, : SAMPLE_RATE - second] for second in range(3)]
WHOLE = np.concatenate(CHUNKS, axis=1)


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_lossless_formats_hold_every_sample(name: str) -> None:
    file = encode(CHUNKS, SAMPLE_RATE, 2, name)
    samples, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    assert rate == SAMPLE_RATE
    assert np.array_equal(samples, to_pcm16(WHOLE))


@pytest.mark.parametrize("name", ["ogg", "mp3"])
def test_lossy_formats_sound_like_it(name: str) -> None:
    seconds = np.arange(44_100 * 3) / 44_100
    sine = np.stack([np.sin(440 * 2 * np.pi * seconds)] * 2).astype(np.float32) / 2
    samples, rate = soundfile.read(io.BytesIO(encode([sine], 44_100, 2, name)))
    assert rate == 44_100
    assert len(samples) == pytest.approx(len(seconds), abs=3000)
    spectrum = np.abs(np.fft.rfft(samples[:44_100, 0]))
    assert spectrum.argmax() == 440


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_encoding_can_be_stopped(name: str) -> None:
    asked = []
    with pytest.raises(Stopped):
        encode(CHUNKS, SAMPLE_RATE, 2, name, lambda: asked.append(1) or len(asked) > 1)
    assert len(asked) == 2


def test_a_long_ogg_does_not_overrun_the_encoder() -> None:
    """libsndfile's Vorbis writer crashes the process on long writes in one piece."""
    long = np.zeros((2, 48_000 * 120), np.float32)
    assert soundfile.info(io.BytesIO(encode([long], 48_000, 2, "ogg"))).frames == long.shape[1]
