"""What is heard, measured with public libraries."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from server.models.sketch.composition.score import BUSES
from server.models.sketch.composition.theory import SIGNATURES
from server.models.sketch.genres import GENRES
from server.models.sketch.mixing.mixer import rendered
from server.models.sketch.reading.request import brief_for
from tests.models.sketch.pieces import (
    RATE,
    chunks_of,
    request_for,
    score_of,
    sound_of,
)
from tests.soak import SOAK

pytest.importorskip("librosa", reason="librosa (numba) is not to be had on every Python")
pytest.importorskip("pyloudnorm", reason="pyloudnorm measures the loudness")

from benchmarks import sketch_measures as measured

SEEDS = range(4) if SOAK else range(1)
SHORT_TABLE = ("lofi", "house", "metal", "jazz", "reggae", "waltz", "synthwave")
TABLE = sorted(GENRES) if SOAK else SHORT_TABLE


def asked_of(genre: str, seed: int) -> tuple[int, str]:
    """A tempo within the genre's range and a scale, different for each row of the table."""
    low, high = GENRES[genre].bpm
    row = sorted(GENRES).index(genre)
    return low + (high - low) * (seed % 3 + 1) // 4, SIGNATURES[(5 * row + 7 * seed) % 12]


def piece(genre: str, seed: int) -> tuple[NDArray[np.float32], int, str]:
    bpm, scale = asked_of(genre, seed)
    return sound_of(genre, 16, seed, bpm=bpm, scale=scale), bpm, scale


@pytest.mark.timeout(3600 if SOAK else 120)
def test_tempo_and_scale_are_found_again() -> None:
    rows = [(genre, seed, *piece(genre, seed)) for genre in TABLE for seed in SEEDS]
    wrong_tempo = [
        (genre, seed)
        for genre, seed, sound, bpm, _ in rows
        if GENRES[genre].has_beat
        and measured.tempo_error(measured.tempo_of(sound, bpm), bpm) > 0.02
    ]
    wrong_scale = [
        (genre, seed)
        for genre, seed, sound, _, scale in rows
        if not measured.fits_scale(measured.pitch_classes_of(sound), scale)
    ]
    assert len(wrong_tempo) <= 0.05 * len(rows), wrong_tempo
    assert len(wrong_scale) <= 0.05 * len(rows), wrong_scale


@pytest.mark.parametrize("genre", sorted(GENRES))
@pytest.mark.parametrize("seed", SEEDS)
def test_loudness_and_peak(genre: str, seed: int) -> None:
    sound = sound_of(genre, 10, seed)
    assert measured.loudness_of(sound) == pytest.approx(-16.0, abs=1.5)
    assert measured.true_peak_of(sound) < -1.0
    assert np.abs(sound.mean(axis=1)).max() < 1e-3  # no DC


@pytest.mark.parametrize(
    "fields", [{"density": 0.0}, {"density": 1.0}, {"brightness": 0.0}, {"brightness": 1.0}]
)
def test_loudness_does_not_depend_on_the_fields(fields: dict[str, float]) -> None:
    sound = sound_of("pop", 12, **fields)
    assert measured.loudness_of(sound) == pytest.approx(-16.0, abs=1.5)
    assert measured.true_peak_of(sound) < -1.0


@pytest.mark.parametrize("genre", ["house", "lofi", "folk", "cinematic"])
def test_dark_is_darker_than_bright(genre: str) -> None:
    plain = measured.centroid_of(sound_of(genre, 8))
    dark = measured.centroid_of(sound_of(genre, 8, brightness=0.0))
    bright = measured.centroid_of(sound_of(genre, 8, brightness=1.0))
    assert dark < 0.9 * plain < plain < 0.95 * bright


def test_the_word_dark_is_darker_than_the_word_bright() -> None:
    for genre in ("synthwave", "techno"):
        dark = sound_of(f"dark {genre} in C minor at 110 bpm", 8)
        bright = sound_of(f"bright {genre} in C minor at 110 bpm", 8)
        assert measured.centroid_of(dark) < measured.centroid_of(bright)


@pytest.mark.parametrize("genre", ["pop", "jazz", "synthwave", "guofeng"])
def test_denser_has_more_onsets(genre: str) -> None:
    sparse, dense = (sound_of(genre, 12, bpm=96, density=density) for density in (0.0, 1.0))
    assert measured.num_onsets(sparse) < measured.num_onsets(dense)


def features_of(genre: str) -> NDArray[np.float64]:
    """What tells genres apart: brightness, onsets, dynamics, low end, width."""
    sounds = [sound_of(genre, 10, seed) for seed in (0, 1)]
    rows = []
    for sound in sounds:
        spectrum = np.abs(np.fft.rfft(sound.mean(axis=0))) ** 2
        bands = np.add.reduceat(spectrum, [200, 1200, 2500, 6000, 15_000, 40_000])
        shares = np.log10(bands / bands.sum() + 1e-6)
        blocks = np.sqrt(
            np.mean(np.square(sound[:, : 40 * 12_000].reshape(2, 40, -1)), axis=(0, 2))
        )
        rows.append(
            [*shares, measured.num_onsets(sound) / 20.0, np.std(20 * np.log10(blocks + 1e-4)) / 4.0]
        )
    return np.mean(rows, axis=0)


@pytest.mark.timeout(600)
def test_any_two_genres_differ() -> None:
    names = sorted(GENRES) if SOAK else SHORT_TABLE
    features = {name: features_of(name) for name in names}
    distances = {
        (one, other): float(np.linalg.norm(features[one] - features[other]))
        for one, other in combinations(names, 2)
    }
    closest = min(distances, key=lambda pair: distances[pair])
    assert distances[closest] > 0.15, closest


@pytest.mark.parametrize("genre", ["ambient", "house", "classical piano"])
def test_nothing_jumps_where_chunks_meet(genre: str) -> None:
    chunks = chunks_of(request_for(genre, 12))
    sound = np.concatenate(chunks, axis=1)
    steps = np.abs(np.diff(sound, axis=1)).max(axis=0)
    curvature = np.abs(np.diff(sound, n=2, axis=1)).max(axis=0)
    for border in np.cumsum([chunk.shape[1] for chunk in chunks])[:-1]:
        around = slice(border - 400, border + 400)
        assert steps[border - 1] <= steps[around].max()
        assert curvature[border - 2 : border].max() <= 1.05 * np.sort(curvature[around])[-12]


@pytest.mark.parametrize("genre", ["metal", "ambient", "jazz", "house"])
@pytest.mark.parametrize("seconds", [1, 10, 21])
def test_it_begins_at_once_and_ends_in_silence(genre: str, seconds: int) -> None:
    sound = sound_of(genre, seconds)
    start = np.sqrt(np.mean(np.square(sound[:, : RATE // 2])))
    assert start > 0.004
    assert np.abs(sound[:, -48:]).max() < 2e-3
    last, before = (
        np.sqrt(np.mean(np.square(sound[:, at:to])))
        for at, to in ((-4800, None), (-RATE, -RATE // 2))
    )
    assert last < before


def test_stems_add_up_to_the_mix() -> None:
    for prompt in ("house", "cinematic", "folk"):
        brief = brief_for(request_for(prompt, 6))
        score = score_of(prompt, 6)
        plain = list(rendered(score, brief.finish))
        parted = list(rendered(score, brief.finish, stems=True))
        for one, other in zip(plain, parted, strict=True):
            assert np.array_equal(one.mix, other.mix)
            assert other.stems is not None
            assert tuple(other.stems) == BUSES
            total = np.sum(list(other.stems.values()), axis=0)
            assert np.abs(total - other.mix).max() < 2.6 / 32767


def test_both_sides_are_heard_and_mono_keeps_the_music() -> None:
    for genre in ("pop", "metal", "ambient"):
        left, right = sound_of(genre, 10)
        balance = np.sqrt(np.mean(left**2) / np.mean(right**2))
        assert 0.7 < balance < 1.4
        together = np.mean(((left + right) / 2) ** 2) / np.mean((left**2 + right**2) / 2)
        assert together > 0.4
