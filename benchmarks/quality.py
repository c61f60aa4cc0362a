"""What a number format does to MusicGen: each against fp32 on a CPU, as a table.

    python -m benchmarks.quality facebook/musicgen-small
    python -m benchmarks.quality models/random          # of benchmarks.random_musicgen

Teacher-forced: all read the tokens that fp32 has drawn, and say what they would draw next, by the
same chance. The sound is that of what they would have drawn, by the codec as it runs with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence as Several
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from benchmarks.machine import describe
from benchmarks.random_musicgen import MARK
from benchmarks.streams import table
from server.models.checkpoints.places import Places
from server.models.musicgen.build import backend_for
from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.devices import Precision, companion_dtype
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.wish import Sampling, Wish

CPU = torch.device("cpu")
PROMPTS = (
    "lofi with rain",
    "fast bluegrass banjo",
    "solo cello, slow, in a church",
    "drum and bass",
)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
FFT_SAMPLES, HOP_SAMPLES, NUM_MELS = 1024, 320, 80
SILENCE = 1e-10


@dataclass
class Reading:
    """One prompt as one format reads it: guided scores [S, K, card], columns drawn from them
    [S, K], and the sound of these [channels, n]."""

    scores: Tensor
    drawn: Tensor
    sound: Tensor


class Reader:
    """A checkpoint in `precision`."""

    def __init__(self, folder: Path, find: Places, precision: Precision) -> None:
        checkpoint = load(folder, partial(find.find, beside=folder))
        dtype = companion_dtype(precision, CPU)
        self.config = checkpoint.config
        self._backend = backend_for(checkpoint.language_model, CPU, precision)
        self._codec = checkpoint.codec
        self._codec.place(CPU, dtype)
        self._encoder = checkpoint.text_encoder
        self._encoder.model.to(CPU, dtype)

    def read(self, wish: Wish, columns: Tensor | None) -> Reading:
        """`columns` are what was drawn before, [S, K]; None: its own."""
        config = self.config.language_model
        states = self._encoder.encode(wish.prompt)
        text = None if states is None else self._backend.remember_text(states)
        memory = self._backend.reserve(wish.num_positions(config.max_delay))
        settings = Settings.of([wish.sampling], [wish.guidance], config.codebook_size, CPU)
        read, heard = Sequence(wish, config), Sequence(wish, config)
        scores, drawn = [], []
        while not read.finished:
            newest = read.window.newest[None]
            pair = self._backend.decode_step(newest, [read.position], [memory], [text])
            guided = guide(pair, settings.guidance)
            scores.append(guided[0])
            drawn.append(draw(guided, settings, read.clocks[None])[0])
            read.put(drawn[-1] if columns is None else columns[len(drawn) - 1])
            heard.put(drawn[-1])
        frames = heard.frames(0, heard.num_complete_frames)
        sound = self._codec.decode(frames, self.config.channels).float()
        return Reading(torch.stack(scores), torch.stack(drawn), sound)


def wishes(reader: Reader, num_seconds: int, first_seed: int) -> list[Wish]:
    config = reader.config
    num_frames, window = num_seconds * config.codec.frame_rate, config.window_frames
    return [
        Wish(prompt, num_frames, window, window // 2, seed, Sampling(), config.guidance)
        for seed, prompt in enumerate(PROMPTS, first_seed)
    ]


def log_mel(sound: Tensor, sample_rate: int) -> np.ndarray:
    """[channels, mels, frames] in decibels."""
    filters = mel_filter_bank(
        num_frequency_bins=FFT_SAMPLES // 2 + 1,
        num_mel_filters=NUM_MELS,
        min_frequency=0,
        max_frequency=sample_rate / 2,
        sampling_rate=sample_rate,
    )
    options = {"power": 2.0, "mel_filters": filters, "mel_floor": SILENCE, "log_mel": "dB"}
    window = window_function(FFT_SAMPLES, "hann")
    return np.stack(
        [spectrogram(each, window, FFT_SAMPLES, HOP_SAMPLES, **options) for each in sound.numpy()]
    )


def compared(found: Several[Reading], expected: Several[Reading], sample_rate: int) -> list[str]:
    pairs = list(zip(found, expected, strict=True))
    error = mean(float((f.scores - e.scores).norm() / e.scores.norm()) for f, e in pairs)
    best = mean(
        float((f.scores.argmax(-1) == e.scores.argmax(-1)).float().mean()) for f, e in pairs
    )
    same = mean(float((f.drawn == e.drawn).float().mean()) for f, e in pairs)
    far = mean(
        float(np.abs(log_mel(f.sound, sample_rate) - log_mel(e.sound, sample_rate)).mean())
        for f, e in pairs
    )
    return [f"{error:.4f}", f"{100 * best:.1f} %", f"{100 * same:.1f} %", f"{far:.2f} dB"]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a published name, or a folder")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    places = Places(arguments.models_dir, lambda activity: None)
    own = Path(arguments.model)
    folder = own if own.is_dir() else places.find(arguments.model)
    random = " (RANDOM WEIGHTS: this says nothing about music)" if (folder / MARK).exists() else ""
    print(describe("torch", "transformers"))

    reader = Reader(folder, places, "fp32")
    rate = reader.config.codec.sample_rate
    expected = [reader.read(wish, None) for wish in wishes(reader, arguments.seconds, 0)]
    others = [reader.read(wish, None) for wish in wishes(reader, arguments.seconds, 100)]
    rows = [["fp32, other seeds", *compared(others, expected, rate)]]
    for precision in PRECISIONS:
        reader = Reader(folder, places, precision)
        asked = wishes(reader, arguments.seconds, 0)
        found = [reader.read(w, e.drawn) for w, e in zip(asked, expected, strict=True)]
        rows.append([precision, *compared(found, expected, rate)])
    header = ["", "error of scores", "same best token", "same token drawn", "log-mel distance"]
    title = f"{arguments.model}{random}, {len(PROMPTS)} prompts of {arguments.seconds} s"
    table(title, header, rows)


if __name__ == "__main__":
    main()
