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
from typing import Any

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
PRECISIONS: tuple[Precision, ...] = ("bf16", "int8")
FFT_SAMPLES, HOP_SAMPLES, NUM_MELS = 1024, 320, 80
SILENCE = 1e-10


@dataclass
class Reading:
    """All prompts as one format reads them: guided scores [B, S, K, card], columns drawn from them
    [B, S, K], and the sound of these, [channels, n] each."""

    scores: Tensor
    drawn: Tensor
    sounds: list[Tensor]


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

    def read(self, wishes: Several[Wish], columns: Tensor | None = None) -> Reading:
        """`wishes`, all of one length, together. `columns` are what was drawn before, [B, S, K];
        None: their own."""
        config = self.config.language_model
        texts = [self._remembered(wish.prompt) for wish in wishes]
        memories = [self._backend.reserve(wish.num_positions(config.max_delay)) for wish in wishes]
        settings = Settings.of(
            [wish.sampling for wish in wishes],
            [wish.guidance for wish in wishes],
            config.codebook_size,
            CPU,
        )
        read, heard = ([Sequence(wish, config) for wish in wishes] for _ in range(2))
        scores, drawn = [], []
        while not read[0].finished:
            newest = torch.stack([each.window.newest for each in read])
            pairs = self._backend.decode_step(
                newest, [each.position for each in read], memories, texts
            )
            scores.append(guide(pairs, settings.guidance))
            drawn.append(draw(scores[-1], settings, torch.stack([each.clocks for each in read])))
            put(read, drawn[-1] if columns is None else columns[:, len(drawn) - 1])
            put(heard, drawn[-1])
        return Reading(torch.stack(scores, 1), torch.stack(drawn, 1), list(map(self._sound, heard)))

    def _remembered(self, prompt: str) -> Any:
        states = self._encoder.encode(prompt)
        return None if states is None else self._backend.remember_text(states)

    def _sound(self, sequence: Sequence) -> Tensor:
        frames = sequence.frames(0, sequence.num_complete_frames)
        return self._codec.decode(frames, self.config.channels).float()


def put(sequences: Several[Sequence], columns: Tensor) -> None:
    for sequence, column in zip(sequences, columns, strict=True):
        sequence.put(column)


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


def compared(found: Reading, expected: Reading, sample_rate: int) -> list[str]:
    errors = (found.scores - expected.scores).flatten(1).norm(dim=1)
    error = (errors / expected.scores.flatten(1).norm(dim=1)).mean()
    best = (found.scores.argmax(-1) == expected.scores.argmax(-1)).float().mean()
    same = (found.drawn == expected.drawn).float().mean()
    far = mean(
        float(np.abs(log_mel(f, sample_rate) - log_mel(e, sample_rate)).mean())
        for f, e in zip(found.sounds, expected.sounds, strict=True)
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
    asked = wishes(reader, arguments.seconds, 0)
    expected = reader.read(asked)
    others = reader.read(wishes(reader, arguments.seconds, 100))
    rows = [["fp32, other seeds", *compared(others, expected, rate)]]
    for precision in PRECISIONS:
        found = Reader(folder, places, precision).read(asked, expected.drawn)
        rows.append([precision, *compared(found, expected, rate)])
    header = ["", "error of scores", "same best token", "same token drawn", "log-mel distance"]
    title = f"{arguments.model}{random}, {len(PROMPTS)} prompts of {arguments.seconds} s"
    table(title, header, rows)


if __name__ == "__main__":
    main()
