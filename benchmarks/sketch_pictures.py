"""Draws what `sketch` composes: piano rolls and spectrograms of ten genres.

    python -m benchmarks.sketch_pictures [--out docs/images/sketch_genres.png] [--seed 7]

Needs matplotlib, which the server does not: `pip install -e ".[pictures]"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image
from scipy.signal import spectrogram

from server.generation import GenerationRequest
from server.models.sketch.composition.composer import compose
from server.models.sketch.composition.score import BUSES, Score
from server.models.sketch.mixing.mixer import rendered
from server.models.sketch.reading.brief import Brief
from server.models.sketch.reading.request import brief_for
from server.models.sketch.synthesis.instruments.textures import TEXTURES
from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal

GENRES = (
    "lofi",
    "house",
    "drum and bass",
    "ambient",
    "jazz",
    "metal",
    "funk",
    "guofeng",
    "classical piano",
    "cinematic",
)
COLOURS = {"drums": "#8a8f98", "bass": "#2f6fbb", "harmony": "#e0a526", "melody": "#c8323c"}
SECONDS = 30
#: Where drums stand in the strip, by General MIDI number: kicks, snares, toms, hats, cymbals.
DRUM_LINES = {36: 8, 41: 8, 43: 8, 37: 11, 38: 11, 39: 11, 42: 17, 44: 17, 46: 17, 49: 20, 51: 20}


def main() -> None:
    """Draw and save."""
    arguments = _arguments()
    figure, axes = plt.subplots(
        len(GENRES), 2, figsize=(18, 3.1 * len(GENRES)), layout="constrained"
    )
    for row, genre in zip(axes, GENRES, strict=True):
        request = GenerationRequest(genre, duration_seconds=SECONDS, seed=arguments.seed)
        brief = brief_for(request)
        score = compose(brief)
        sound = np.concatenate([s.mix for s in rendered(score, brief.finish)], 1)
        _draw_roll(row[0], brief, score)
        _draw_spectrum(row[1], sound)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=70)
    _shrink(arguments.out)


def _shrink(picture: Path) -> None:
    """To a palette: a quarter of the bytes in the repository, the same to the eye."""
    with Image.open(picture) as drawn:
        palette = drawn.convert("RGB").quantize(96, dither=Image.Dither.NONE)
    palette.save(picture, optimize=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Piano rolls and spectrograms of ten genres.")
    parser.add_argument("--out", type=Path, default=Path("docs/images/sketch_genres.png"))
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def _draw_roll(axes: Axes, brief: Brief, score: Score) -> None:
    """The notes as bars, the drums in a strip below, the sections as lines."""
    seconds = 60.0 / (score.bpm * 960)
    for part in score.parts:
        if part.instrument in TEXTURES:
            continue  # no notes
        for note in part.notes:
            start, length = note.start_ticks * seconds, note.duration_ticks * seconds
            drum = part.bus == "drums"
            pitch = DRUM_LINES.get(note.pitch, 14) if drum else note.pitch
            width = 0.08 if drum else min(length, SECONDS - start)
            colour = COLOURS[part.bus]
            axes.barh(pitch, width, 1.5, start, color=colour, alpha=0.3 + 0.65 * note.velocity)
    for section in score.sections:
        at = section.first_bar * score.bar_ticks * seconds
        axes.axvline(at, color="black", linewidth=0.5, alpha=0.5)
        axes.text(at + 0.1, 95, section.name, fontsize=9)
    axes.set(xlim=(0, SECONDS), ylim=(5, 100), ylabel="MIDI pitch")
    axes.set_title(
        f"{brief.genre.name}: {score.bpm} bpm, {score.key.name}", fontsize=10, loc="left"
    )
    if brief.genre.name == GENRES[0]:
        handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[bus]) for bus in BUSES]
        axes.legend(handles, BUSES, fontsize=7, ncol=4, loc="upper right")


def _draw_spectrum(axes: Axes, sound: Signal) -> None:
    """The power over time and frequency, octaves evenly spaced."""
    hertz, seconds, power = spectrogram(
        sound.mean(axis=0), SAMPLE_RATE, nperseg=4096, noverlap=4096 - 1200
    )
    level = 10.0 * np.log10(power + 1e-12)
    axes.pcolormesh(
        seconds, hertz[2:], level[2:], vmin=-105, vmax=-35, cmap="magma", rasterized=True
    )
    axes.set(yscale="log", ylim=(30, 20_000), ylabel="Hz", xlim=(0, SECONDS))


if __name__ == "__main__":
    main()
