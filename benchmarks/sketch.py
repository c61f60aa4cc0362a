"""Measures `sketch`: speed, tempo, key, loudness over a table of prompts and seeds.

    python -m benchmarks.sketch [--seeds 3] [--seconds 30] [--genres house jazz]

Prints markdown tables. Speed is processor time on one thread; the sound is measured with librosa
and pyloudnorm, which the server does not need.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass

import numpy as np
from scipy import __version__ as scipy_version

from benchmarks import sketch_measures as measured
from server.events import AudioChunk
from server.generation import GenerationRequest
from server.models.base import ModelOptions
from server.models.sketch.composition.theory import SIGNATURES
from server.models.sketch.genres import GENRES
from server.models.sketch.model import Sketch

RATE = 48_000


@dataclass(frozen=True)
class Row:
    """What was measured of one piece."""

    genre: str
    times_real_time: float
    first_audio_ms: float
    bpm: int
    tempo_error: float | None  # None for genres without a beat
    scale: str
    held: float
    fits: bool
    lufs: float
    true_peak_db: float


def main() -> None:
    """Run and print."""
    arguments = _arguments()
    model = Sketch("sketch", ModelOptions())
    model.prepare()
    rows = [
        _measured(model, genre, seed, arguments.seconds)
        for genre in arguments.genres
        for seed in range(arguments.seeds)
    ]
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy_version}, ",
        end="",
    )
    print(f"{platform.machine()}; {arguments.seeds} seeds of {arguments.seconds} s a genre\n")
    _print_genres(rows)
    _print_summary(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed, tempo, key and loudness of sketch.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--genres", nargs="+", choices=sorted(GENRES), default=sorted(GENRES))
    return parser.parse_args()


def _measured(model: Sketch, genre: str, seed: int, seconds: int) -> Row:
    low, high = GENRES[genre].bpm
    bpm = low + (high - low) * (seed % 3 + 1) // 4
    scale = SIGNATURES[(5 * sorted(GENRES).index(genre) + 7 * seed) % 12]
    request = GenerationRequest(genre, duration_seconds=seconds, seed=seed, bpm=bpm, scale=scale)
    sound, spent, first = _timed(model, request)
    profile = measured.pitch_classes_of(sound)
    beat = GENRES[genre].has_beat
    return Row(
        genre=genre,
        times_real_time=seconds / spent,
        first_audio_ms=1000 * first,
        bpm=bpm,
        tempo_error=measured.tempo_error(measured.tempo_of(sound, bpm), bpm) if beat else None,
        scale=scale,
        held=measured.held_by(profile, scale),
        fits=measured.fits_scale(profile, scale),
        lufs=measured.loudness_of(sound),
        true_peak_db=measured.true_peak_of(sound),
    )


def _timed(model: Sketch, request: GenerationRequest) -> tuple[measured.Sound, float, float]:
    """The sound, the processor seconds it took and the seconds until its first chunk."""
    began, first = time.process_time(), 0.0
    chunks = []
    for event in model.steps(request):
        if isinstance(event, AudioChunk):
            first = first or time.process_time() - began
            chunks.append(event.samples)
    return np.concatenate(chunks, axis=1), time.process_time() - began, first


def _print_genres(rows: list[Row]) -> None:
    """One line a genre: the middle of its seeds, the worst where that matters."""
    print("| genre | x real time | first audio ms | tempo error | on the scale | LUFS | dBTP |")
    print("|---|---|---|---|---|---|---|")
    for genre in dict.fromkeys(row.genre for row in rows):
        own = [row for row in rows if row.genre == genre]
        errors = [row.tempo_error for row in own if row.tempo_error is not None]
        cells = (
            genre,
            f"{statistics.median(row.times_real_time for row in own):.0f}",
            f"{max(row.first_audio_ms for row in own):.0f}",
            f"{100 * max(errors):.1f} %" if errors else "no beat",
            f"{100 * statistics.mean(row.held for row in own):.0f} %",
            f"{min(row.lufs for row in own):.1f} to {max(row.lufs for row in own):.1f}",
            f"{max(row.true_peak_db for row in own):.1f}",
        )
        print(f"| {' | '.join(cells)} |")


def _print_summary(rows: list[Row]) -> None:
    timed = [row for row in rows if row.tempo_error is not None]
    in_time = sum(row.tempo_error is not None and row.tempo_error <= 0.02 for row in timed)
    speeds = [row.times_real_time for row in rows]
    print("\n| measure | result |")
    print("|---|---|")
    print(f"| pieces | {len(rows)} |")
    print(f"| x real time, median (least) | {statistics.median(speeds):.0f} ({min(speeds):.0f}) |")
    firsts = [row.first_audio_ms for row in rows]
    print(
        f"| first audio ms, median (most) | {statistics.median(firsts):.0f} ({max(firsts):.0f}) |"
    )
    if timed:
        print(f"| tempo within 2 %, octaves allowed | {100 * in_time / len(timed):.0f} % |")
    print(f"| pitch classes fit the scale | {100 * statistics.mean(r.fits for r in rows):.0f} % |")
    levels = [row.lufs for row in rows]
    print(f"| loudness LUFS | {min(levels):.1f} to {max(levels):.1f} |")
    print(f"| highest true peak dBTP | {max(row.true_peak_db for row in rows):.1f} |")


if __name__ == "__main__":
    main()
