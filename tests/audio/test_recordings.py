"""Files that people send: sound of any kind, and what only claims to be."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from server.audio.recordings import MAX_SECONDS, Excerpt, UnusableRecording, read_recording
from server.events import Samples

RATE = 8_000
FIRST, LAST = Excerpt("first"), Excerpt("last")


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> Samples:
    random = np.random.default_rng(3)
    return random.uniform(-0.5, 0.5, (channels, int(seconds * rate))).astype(np.float32)


def file_of(
    sound: Samples, rate: int = RATE, format: str = "WAV", kind: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound.T, rate, kind, format=format)
    return file.getvalue()


def with_bytes(file: bytes, at: int, new: bytes) -> bytes:
    return file[:at] + new + file[at + len(new) :]


@pytest.mark.parametrize(
    "format", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "W64", "RF64"]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(format: str, channels: int) -> None:
    recording = read_recording(file_of(noise(2, channels), format=format), FIRST)
    assert recording.sample_rate == RATE
    assert recording.samples.dtype == np.float32
    assert recording.samples.shape[0] == channels
    assert recording.duration_seconds == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    "kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"]
)
def test_sample_formats(kind: str) -> None:
    sound = noise(0.5)
    recording = read_recording(file_of(sound, kind=kind), FIRST)
    assert np.allclose(recording.samples, sound, atol=0.02)


@pytest.mark.parametrize("rate", [4_000, 11_025, 44_100, 192_000])
def test_sample_rates(rate: int) -> None:
    assert read_recording(file_of(noise(0.2, rate=rate), rate), FIRST).sample_rate == rate


def test_more_than_two_channels_become_one() -> None:
    sound = noise(0.5, channels=8)
    recording = read_recording(file_of(sound, kind="FLOAT"), FIRST)
    assert np.allclose(recording.samples, sound.mean(axis=0, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG"])
def test_of_a_long_one_the_part_that_is_used(format: str) -> None:
    sound = noise(2 * MAX_SECONDS)
    file, num_samples = file_of(sound, format=format), int(MAX_SECONDS * RATE)
    first, last = (read_recording(file, part) for part in (FIRST, LAST))
    if format != "OGG":
        assert np.allclose(first.samples, sound[:, :num_samples], atol=1e-3)
        assert np.allclose(last.samples, sound[:, -num_samples:], atol=1e-3)
    assert first.duration_seconds == last.duration_seconds == MAX_SECONDS


@pytest.mark.parametrize(("seconds", "used"), [(10, slice(None)), (31, slice(84_000, 164_000))])
def test_the_middle_of_one(seconds: int, used: slice) -> None:
    sound = noise(seconds)
    middle = read_recording(file_of(sound, kind="FLOAT"), Excerpt("middle", 10, 10))
    assert np.array_equal(middle.samples, sound[:, used])


def test_one_that_is_shorter_than_what_is_needed_of_it() -> None:
    with pytest.raises(UnusableRecording, match=r"at least 10 s of sound; has 9\.99 s"):
        read_recording(file_of(noise(9.99)), Excerpt("middle", 10, 10))


def test_too_loud_is_clipped() -> None:
    recording = read_recording(file_of(noise(0.5) * 1e30, kind="FLOAT"), FIRST)
    assert np.abs(recording.samples).max() == 1


def test_a_tenth_of_a_second_is_enough() -> None:
    assert read_recording(file_of(noise(0.1)), LAST).samples.shape == (2, 800)


WAV, FLAC = file_of(noise(2)), file_of(noise(2), format="FLAC")
BROKEN_NAN, BROKEN_INF = noise(2), noise(2, channels=8)
BROKEN_NAN[0, 5], BROKEN_INF[7, -5] = np.nan, -np.inf
UNUSABLE = {
    "empty": (b"", "cannot be read as a sound file"),
    "text": (b"no sound at all " * 50, "cannot be read as a sound file"),
    "zip": (b"PK\x03\x04" + bytes(500), "cannot be read as a sound file"),
    "only a header": (WAV[:44], "at least 0.1 s of sound; has 0 s"),
    "half a header": (WAV[:30], "cannot be read as a sound file"),
    "cut short": (WAV[:1000], "at least 0.1 s"),
    "too short": (file_of(noise(0.09)), "at least 0.1 s of sound; has 0.09 s"),
    "silent": (file_of(noise(2) * 0), "is silent"),
    "NaN": (file_of(BROKEN_NAN, kind="FLOAT"), "NaN or infinite"),
    "infinite in one of many channels": (file_of(BROKEN_INF, kind="FLOAT"), "NaN or infinite"),
    "nine channels": (file_of(noise(0.5, 9)), "at most 8 channels; it has 9"),
    "slow": (file_of(noise(1), 3_999), "from 4000 to 192000 Hz; it has 3999 Hz"),
    "fast": (file_of(noise(1), 192_001), "it has 192001 Hz"),
    "promises hours": (
        with_bytes(FLAC, 21, bytes([FLAC[21] | 15]) + b"\xff" * 4),
        "cannot be read as a sound file",
    ),
    "no rate": (with_bytes(WAV, 24, bytes(4)), "cannot be read as a sound file"),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("excerpt", [FIRST, LAST], ids=["first", "last"])
def test_what_cannot_be_used_says_why(name: str, excerpt: Excerpt) -> None:
    file, why = UNUSABLE[name]
    with pytest.raises(UnusableRecording, match=why):
        read_recording(file, excerpt)


def test_damaged_files_never_do_worse() -> None:
    """Whatever bytes are wrong: a recording, or the one error."""
    random = np.random.default_rng(1)
    files = [file_of(noise(0.5), format=format) for format in ("WAV", "FLAC", "OGG", "MP3", "CAF")]
    for attempt in range(400):
        file = bytearray(files[attempt % len(files)])
        for at in random.integers(0, min(len(file), 300), 6):
            file[at] = random.integers(256)
        try:
            recording = read_recording(bytes(file), LAST if attempt % 2 else FIRST)
        except UnusableRecording:
            continue
        assert np.isfinite(recording.samples).all()
        assert recording.duration_seconds <= MAX_SECONDS


def test_memory_is_bounded_by_what_is_used() -> None:
    """Three hours that take 40 kB: they are neither decoded nor held."""
    hours = np.zeros((1, 3 * 3600 * RATE), np.float32)
    hours[:, -RATE:] = hours[:, :RATE] = 0.1
    bomb = file_of(hours, format="FLAC")
    del hours
    tracemalloc.start()
    for excerpt in (FIRST, LAST):
        assert read_recording(bomb, excerpt).duration_seconds == MAX_SECONDS
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10 * 2**20
